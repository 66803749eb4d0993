//! Two watches of the whole cluster: its pods and its nodes.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use conformance::suite::observed::EventKind;
use conformance::suite::pods::{NodeSeen, PodSeen};
use serde_json::Value;

use super::Shared;
use crate::client::{Lines, Request};
use crate::suite::objects::revision;

/// Sees every pod until the session is over.
pub(super) async fn watch_pods(shared: Rc<Shared>) -> anyhow::Result<()> {
    let see = |kind, pod: &Value, listed| {
        let at_us = shared.clock.now_us();
        if let Some(seen) = PodSeen::of(pod, kind, at_us) {
            shared
                .seen
                .borrow_mut()
                .pods
                .push(PodSeen { listed, ..seen });
        }
    };
    follow(&shared, "/api/v1/pods", see).await
}

/// Sees every node until the session is over.
pub(super) async fn watch_nodes(shared: Rc<Shared>) -> anyhow::Result<()> {
    let see = |kind, node: &Value, _| {
        if let Some(seen) = NodeSeen::of(node, kind) {
            shared.seen.borrow_mut().nodes.push(seen);
        }
    };
    follow(&shared, "/api/v1/nodes", see).await
}

/// Lists and watches a collection until the session is over. What has happened between a watch that cannot be resumed and
/// the list that follows is told as listed.
async fn follow(
    shared: &Shared,
    path: &str,
    mut see: impl FnMut(EventKind, &Value, bool),
) -> anyhow::Result<()> {
    let mut over = shared.over.subscribe();
    let mut there: BTreeMap<String, Value> = BTreeMap::new();
    let (mut after, mut listed) = (None, false);
    while !*over.borrow() {
        let from = match after {
            Some(after) => after,
            None => {
                shared.seen.borrow_mut().gaps += u64::from(listed);
                listed = true;
                list(shared, path, &mut there, &mut see).await?
            }
        };
        shared.news.send_modify(|news| *news += 1);
        after = Some(from);
        let query = format!("{path}?watch=1&allowWatchBookmarks=true&resourceVersion={from}");
        let mut connection = shared.reconnect().await?;
        let reply = match connection.send(Request::get(&query)).await {
            Ok(reply) if reply.status().is_success() => reply,
            refused => {
                // Gone, or away: a list finds out.
                after = refused.is_err().then_some(from);
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let mut lines = reply.lines();
        loop {
            let line = tokio::select! {
                biased;
                line = lines_next(&mut lines) => line,
                _ = over.wait_for(|over| *over) => return Ok(()),
            };
            let Some(event) = line else { break };
            let (object, kind) = (&event["object"], kind(&event));
            let Some(kind) = kind else {
                after = None;
                break;
            };
            after = Some(revision(object)?);
            if kind == EventKind::Bookmark {
                continue;
            }
            match kind {
                EventKind::Deleted => there.remove(&key(object)),
                _ => there.insert(key(object), object.clone()),
            };
            see(kind, object, false);
            shared.news.send_modify(|news| *news += 1);
        }
    }
    Ok(())
}

/// The next event; `None` at the watch's end.
async fn lines_next(lines: &mut Lines) -> Option<Value> {
    let line = lines.next().await.ok().flatten()?;
    serde_json::from_slice(&line).ok()
}

/// `None` for an error, after which only a list helps.
fn kind(event: &Value) -> Option<EventKind> {
    match event["type"].as_str() {
        Some("ADDED") => Some(EventKind::Added),
        Some("MODIFIED") => Some(EventKind::Modified),
        Some("DELETED") => Some(EventKind::Deleted),
        Some("BOOKMARK") => Some(EventKind::Bookmark),
        _ => None,
    }
}

fn key(object: &Value) -> String {
    object["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

async fn list(
    shared: &Shared,
    path: &str,
    there: &mut BTreeMap<String, Value>,
    see: &mut impl FnMut(EventKind, &Value, bool),
) -> anyhow::Result<u64> {
    let mut connection = shared.reconnect().await?;
    let list = connection.send(Request::get(path)).await?.json().await?;
    let items = list["items"].as_array().context("a list without items")?;
    let now: BTreeMap<String, Value> = items.iter().map(|item| (key(item), item.clone())).collect();
    for (uid, gone) in there.iter() {
        if !now.contains_key(uid) {
            see(EventKind::Deleted, gone, true);
        }
    }
    for (uid, item) in &now {
        match there.get(uid) {
            Some(known) if known == item => {}
            Some(_) => see(EventKind::Modified, item, true),
            None => see(EventKind::Added, item, true),
        }
    }
    *there = now;
    revision(&list)
}
