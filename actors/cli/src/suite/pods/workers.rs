//! Clients who create pods, wait for them, and delete them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use conformance::suite::observed::{Answer, EventKind};
use conformance::suite::pods::{Create, Delete, Replacement, Session};
use http::Method;
use serde_json::{Value, json};

use super::{PATIENCE, Shared, last};
use crate::client::{Connection, Request};

/// How long a pod of the session may take to end once it is told to, in seconds.
const GRACE_SECONDS: u64 = 1;

/// Creates a pod, two clients at once at times, waits until it is Ready or says why not, deletes it, waits until it is gone,
/// and begins again with the same name.
pub(super) async fn create_and_delete(shared: Rc<Shared>, worker: u32) -> anyhow::Result<()> {
    let mut connections = (shared.reconnect().await?, shared.reconnect().await?);
    let name = format!("worker-{worker}");
    let until = tokio::time::Instant::now() + shared.plan.duration;
    let mut round = 0;
    while round == 0 || tokio::time::Instant::now() < until {
        round += 1;
        let pod = shared.pod(&name, json!({"suite": "create-pod"}));
        let race = shared.race();
        let first = create(&shared, &mut connections.0, &pod, race, true);
        let created = match round % 2 {
            0 => first.await?,
            _ => {
                let second = create(&shared, &mut connections.1, &pod, race, true);
                let (first, second) = tokio::join!(first, second);
                first?.or(second?)
            }
        };
        let Some(uid) = created else {
            // Nobody knows whether it is there: another name is free.
            connections = (shared.reconnect().await?, shared.reconnect().await?);
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        shared.sees(PATIENCE, |seen| settled(seen, &uid)).await;
        delete(&shared, &mut connections.0, &name, &uid).await?;
        shared.sees(PATIENCE, |seen| gone(seen, &uid)).await;
    }
    Ok(())
}

/// A `ReplicaSet` whose pods are deleted one after another.
pub(super) async fn replace(shared: Rc<Shared>) -> anyhow::Result<()> {
    const REPLICAS: u64 = 2;
    const TIMES: usize = 2;
    let namespace = shared.seen.borrow().namespace.clone();
    let sets = format!("/apis/apps/v1/namespaces/{namespace}/replicasets");
    let labels = json!({"suite": "replaced"});
    let mut spec = shared.pod_spec();
    spec["terminationGracePeriodSeconds"] = json!(GRACE_SECONDS);
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "replaced"},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    });
    let mut connection = shared.reconnect().await?;
    let request = Request::post(&sets, Bytes::from(set.to_string()));
    let made = connection.send(request).await?.json().await?;
    let controller = made["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let replicas = usize::try_from(REPLICAS)?;
    for _ in 0..TIMES {
        shared
            .sees(PATIENCE, |seen| {
                ready_of(seen, &controller).len() == replicas
            })
            .await;
        let first = ready_of(&shared.seen.borrow(), &controller)
            .into_iter()
            .next();
        let Some((uid, name)) = first else {
            return Ok(());
        };
        delete(&shared, &mut connection, &name, &uid).await?;
        shared
            .sees(PATIENCE, |seen| {
                let ready = ready_of(seen, &controller);
                ready.len() == replicas && ready.iter().all(|(other, _)| *other != uid)
            })
            .await;
        let ready = ready_of(&shared.seen.borrow(), &controller);
        let ready = ready.into_iter().map(|(uid, _)| uid).collect();
        let replacement = Replacement {
            uid,
            replicas: REPLICAS,
            ready,
        };
        shared.seen.borrow_mut().replaced.push(replacement);
    }
    let path = format!("{sets}/replaced?propagationPolicy=Background");
    connection
        .send(Request::new(Method::DELETE, &path))
        .await?
        .done()
        .await?;
    Ok(())
}

/// A pod that no node takes.
pub(super) async fn fit_nowhere(shared: Rc<Shared>) -> anyhow::Result<()> {
    let mut connection = shared.reconnect().await?;
    let mut pod = shared.pod("fits-nowhere", json!({"suite": "create-pod"}));
    pod["spec"]["nodeSelector"] = json!({"plimsoll.dev/no-node-has-this": "true"});
    let race = shared.race();
    let Some(uid) = create(&shared, &mut connection, &pod, race, false).await? else {
        return Ok(());
    };
    let says = |seen: &Session| last(seen, &uid).is_some_and(|pod| !pod.why.is_empty());
    shared.sees(PATIENCE, says).await;
    // Long enough on that whoever places it by mistake has done so.
    tokio::time::sleep(shared.plan.duration).await;
    delete(&shared, &mut connection, "fits-nowhere", &uid).await
}

/// Deletes what may be left, as after a create without an answer, and waits until nothing is.
pub(super) async fn await_the_end(shared: &Shared) -> anyhow::Result<()> {
    let mut connection = shared.reconnect().await?;
    let path = format!("{}?gracePeriodSeconds={GRACE_SECONDS}", shared.path("pods"));
    connection
        .send(Request::new(Method::DELETE, &path))
        .await?
        .done()
        .await?;
    let empty = |seen: &Session| {
        let own = seen
            .pods
            .iter()
            .filter(|pod| pod.namespace == seen.namespace);
        let last: BTreeMap<&str, EventKind> = own.map(|pod| (pod.uid.as_str(), pod.kind)).collect();
        last.values().all(|kind| *kind == EventKind::Deleted)
    };
    shared.sees(PATIENCE, empty).await;
    Ok(())
}

fn settled(seen: &Session, uid: &str) -> bool {
    last(seen, uid)
        .is_some_and(|pod| pod.ready || pod.is_over() || pod.ending || !pod.why.is_empty())
}

fn gone(seen: &Session, uid: &str) -> bool {
    last(seen, uid).is_some_and(|pod| pod.kind == EventKind::Deleted)
}

/// The uids and names of a controller's ready pods.
fn ready_of(seen: &Session, controller: &str) -> Vec<(String, String)> {
    let mut own: Vec<_> = seen
        .pods
        .iter()
        .filter(|pod| pod.controller == controller)
        .map(|pod| (pod.uid.clone(), pod.name.clone()))
        .collect();
    own.sort();
    own.dedup();
    own.retain(|(uid, _)| {
        last(seen, uid).is_some_and(|pod| pod.ready && !pod.ending) && !gone(seen, uid)
    });
    own
}

/// Sends a create and writes it down; the uid if it was done.
async fn create(
    shared: &Shared,
    connection: &mut Connection,
    pod: &Value,
    race: u64,
    fits: bool,
) -> anyhow::Result<Option<String>> {
    let (began_us, path) = (shared.clock.now_us(), shared.path("pods"));
    let request = Request::post(&path, Bytes::from(pod.to_string()));
    let answered = async {
        let reply = connection.send(request).await?;
        let status = reply.status();
        let body: Value = serde_json::from_slice(&reply.bytes().await?)?;
        anyhow::Ok((status, body))
    };
    let (answer, uid) = match answered.await {
        Ok((status, body)) if status.is_success() => {
            let uid = body["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let revision = crate::suite::objects::revision(&body)?;
            (Answer::Done(Some(revision)), uid)
        }
        Ok((status, _)) => (Answer::Refused(status.as_u16()), String::new()),
        Err(_) => (Answer::Unknown, String::new()),
    };
    shared.seen.borrow_mut().creates.push(Create {
        began_us,
        ended_us: shared.clock.now_us(),
        name: pod["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        race,
        answer,
        uid: uid.clone(),
        fits,
    });
    Ok((!uid.is_empty()).then_some(uid))
}

/// Deletes a pod, and no other of its name, and writes it down.
async fn delete(
    shared: &Shared,
    connection: &mut Connection,
    name: &str,
    uid: &str,
) -> anyhow::Result<()> {
    let path = shared.path(&format!("pods/{name}"));
    let options = json!({"gracePeriodSeconds": GRACE_SECONDS, "preconditions": {"uid": uid}});
    let request = Request {
        body: Some(("application/json", Bytes::from(options.to_string()))),
        ..Request::new(Method::DELETE, &path)
    };
    let answer = match connection.send(request).await {
        Ok(reply) if reply.status().is_success() => {
            reply.bytes().await?;
            Answer::Done(None)
        }
        Ok(reply) => Answer::Refused(reply.status().as_u16()),
        Err(_) => {
            *connection = shared.reconnect().await?;
            Answer::Unknown
        }
    };
    shared.seen.borrow_mut().deletes.push(Delete {
        ended_us: shared.clock.now_us(),
        uid: uid.to_owned(),
        name: name.to_owned(),
        grace_seconds: GRACE_SECONDS,
        answer,
    });
    Ok(())
}
