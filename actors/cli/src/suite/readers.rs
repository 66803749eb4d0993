//! Readers: lists of every freshness.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use conformance::suite::observed::{List, Read};
use serde_json::Value;

use super::objects;
use super::random::Random;
use super::session::Shared;
use crate::client::{Connection, Request};

/// Lists until the session is over.
pub(super) async fn read(shared: Rc<Shared>, client: u32) -> anyhow::Result<()> {
    let mut random = Random::of(shared.plan.seed, client);
    let mut connection = shared.server.connect().await?;
    let mut newest = 0;
    while !shared.is_over() {
        let read = match random.below(4) {
            0 => Read::Any,
            1 if newest > 0 => Read::NotOlderThan(newest),
            _ => Read::Consistent,
        };
        let selected = random.below(3) == 0;
        match list(&shared, &mut connection, client, read, selected).await {
            Ok(revision) => newest = newest.max(revision),
            Err(_) => connection = shared.reconnect().await?,
        }
        shared.pause(Duration::from_millis(random.below(100))).await;
    }
    Ok(())
}

/// Lists once and writes down what came; its revision.
pub(super) async fn list(
    shared: &Shared,
    connection: &mut Connection,
    client: u32,
    read: Read,
    selected: bool,
) -> anyhow::Result<u64> {
    let freshness = match read {
        Read::Consistent => String::new(),
        Read::Any => "&resourceVersion=0".to_owned(),
        Read::NotOlderThan(revision) => {
            format!("&resourceVersion={revision}&resourceVersionMatch=NotOlderThan")
        }
    };
    let path = format!(
        "{}?limit=0{freshness}{}",
        objects::path(&shared.namespace),
        objects::selector(selected)
    );
    let began_us = shared.clock.now_us();
    let reply = connection.send(Request::get(&path)).await?;
    let answer: Value = reply.json().await?;
    ensure!(
        answer["kind"] == "ConfigMapList",
        "not a list of config maps"
    );
    let items = answer["items"].as_array().context("a list without items")?;
    let items = items
        .iter()
        .filter_map(|item| objects::read(item).transpose())
        .map(|item| item.map(|(name, revision, content)| (name, (revision, content))))
        .collect::<anyhow::Result<_>>()?;
    let revision = objects::revision(&answer)?;
    shared.observed.borrow_mut().lists.push(List {
        client,
        began_us,
        ended_us: shared.clock.now_us(),
        read,
        selected,
        revision,
        items,
    });
    Ok(revision)
}
