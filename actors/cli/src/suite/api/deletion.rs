//! Deletion that waits: finalizers, grace, collections.

use serde_json::{Value, json};

use super::client::{Api, Found, MERGE};
use super::{Check, check};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Objects,
        a_finalizer_holds_an_object,
        "what has a finalizer stays, with a deletionTimestamp, until it is removed"
    ),
    check!(
        Objects,
        no_finalizer_comes_late,
        "what is being deleted takes no new finalizer"
    ),
    check!(
        Objects,
        deletion_cannot_be_undone,
        "a client cannot remove a deletionTimestamp"
    ),
    check!(
        Concepts,
        a_bound_pod_is_deleted_gracefully,
        "a bound pod stays for its grace period; a shorter one wins"
    ),
    check!(
        Concepts,
        a_collection_is_deleted_by_selector,
        "DELETE of a collection deletes what its selector matches"
    ),
];

async fn held(api: &mut Api, name: &str) -> Result<String, super::Wrong> {
    let maps = api.path("configmaps");
    let metadata = json!({"name": name, "finalizers": ["plimsoll.dev/held"]});
    let made = api.post(&maps, &json!({"metadata": metadata})).await?;
    api.status(&made, 201)?;
    let path = format!("{maps}/{name}");
    let deleted = api.delete(&path, &Value::Null).await?;
    api.status(&deleted, 200)?;
    Ok(path)
}

/// Lets go of it: a check must not leave what the namespace cannot get rid of.
async fn let_go(api: &mut Api, path: &str) -> Found {
    let free = json!({"metadata": {"finalizers": null}});
    let patched = api.patch(path, MERGE, &free).await?;
    api.status(&patched, 200)?;
    let read = api.get(path).await?;
    api.refused(&read, 404, "NotFound")
}

async fn a_finalizer_holds_an_object(api: &mut Api) -> Found {
    let path = held(api, "held").await?;
    let read = api.get(&path).await?;
    let since = read.text("/metadata/deletionTimestamp").to_owned();
    let seen = api.hold(read.status == 200 && !since.is_empty(), || {
        format!("{}, expected a deletionTimestamp", read.told())
    });
    let gone = let_go(api, &path).await;
    seen.and(gone)
}

async fn no_finalizer_comes_late(api: &mut Api) -> Found {
    let path = held(api, "late").await?;
    let more = json!({"metadata": {"finalizers": ["plimsoll.dev/held", "plimsoll.dev/late"]}});
    let patched = api.patch(&path, MERGE, &more).await?;
    let refused = api.refused(&patched, 422, "Invalid");
    let gone = let_go(api, &path).await;
    refused.and(gone)
}

async fn deletion_cannot_be_undone(api: &mut Api) -> Found {
    let path = held(api, "undone").await?;
    let undone = api
        .patch(
            &path,
            MERGE,
            &json!({"metadata": {"deletionTimestamp": null}}),
        )
        .await?;
    let read = api.get(&path).await?;
    let stays = !read.text("/metadata/deletionTimestamp").is_empty();
    let seen = api.hold(stays, || {
        format!("after {}: {}", undone.told(), read.told())
    });
    let gone = let_go(api, &path).await;
    seen.and(gone)
}

async fn a_bound_pod_is_deleted_gracefully(api: &mut Api) -> Found {
    let pods = api.path("pods");
    let mut pod = super::pods::unplaced("graceful", &["one"]);
    // Bound to a node that is not there: nobody else ends it.
    pod["spec"]["nodeName"] = json!("no-such-node.plimsoll.dev");
    if let Some(spec) = pod["spec"].as_object_mut() {
        spec.remove("nodeSelector");
    }
    let made = api.post(&pods, &pod).await?;
    api.status(&made, 201)?;
    let path = format!("{pods}/graceful");
    let deleted = api
        .delete(&path, &json!({"gracePeriodSeconds": 600}))
        .await?;
    api.status(&deleted, 200)?;
    let read = api.get(&path).await?;
    api.status(&read, 200)?;
    api.field(&read, "/metadata/deletionGracePeriodSeconds", &json!(600))?;
    let since = read.text("/metadata/deletionTimestamp").to_owned();
    api.hold(!since.is_empty(), || {
        "there is no deletionTimestamp".to_owned()
    })?;
    let deleted = api.delete(&path, &json!({"gracePeriodSeconds": 0})).await?;
    api.status(&deleted, 200)?;
    let read = api.get(&path).await?;
    api.refused(&read, 404, "NotFound")
}

async fn a_collection_is_deleted_by_selector(api: &mut Api) -> Found {
    let maps = api.path("configmaps");
    for (name, batch) in [("batch-1", "yes"), ("batch-2", "yes"), ("batch-3", "no")] {
        let metadata = json!({"name": name, "labels": {"batch": batch}});
        let made = api.post(&maps, &json!({"metadata": metadata})).await?;
        api.status(&made, 201)?;
    }
    let deleted = api
        .delete(&format!("{maps}?labelSelector=batch%3Dyes"), &Value::Null)
        .await?;
    api.status(&deleted, 200)?;
    let left = api.get(&format!("{maps}?labelSelector=batch")).await?;
    let names = left.names();
    api.hold(names == ["batch-3"], || format!("left are {names:?}"))
}
