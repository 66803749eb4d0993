//! Writers who race: resourceVersion, preconditions, dry runs.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::client::{Api, Found, JSON, MERGE};
use super::{Check, check};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Concepts,
        a_stale_write_conflicts,
        "PUT with an old resourceVersion is 409 Conflict and changes nothing"
    ),
    check!(
        Concepts,
        a_write_without_a_version_wins,
        "PUT of a config map without resourceVersion replaces whatever is there"
    ),
    check!(
        Concepts,
        one_of_many_writers_wins,
        "of writers with one resourceVersion exactly one succeeds"
    ),
    check!(
        Concepts,
        one_of_many_creators_wins,
        "of creates of one name exactly one succeeds"
    ),
    check!(
        Concepts,
        a_stale_patch_conflicts,
        "a patch that names an old resourceVersion is 409 Conflict"
    ),
    check!(
        Concepts,
        patches_of_different_fields_all_stay,
        "concurrent merge patches of different fields are all done"
    ),
    check!(
        Reference,
        a_delete_may_name_the_object,
        "DELETE with another uid or resourceVersion is 409 Conflict"
    ),
    check!(
        Concepts,
        a_dry_run_changes_nothing,
        "with dryRun=All nothing is stored, and the answer is as of a write"
    ),
];

async fn a_stale_write_conflicts(api: &mut Api) -> Found {
    let (path, mut made) = api.config_map("stale").await?;
    let fresh = json!({"metadata": {"name": "stale"}, "data": {"key": "fresh"}});
    let put = api.put(&path, &fresh).await?;
    api.status(&put, 200)?;
    made["data"] = json!({"key": "stale"});
    let put = api.put(&path, &made).await?;
    api.refused(&put, 409, "Conflict")?;
    let read = api.get(&path).await?;
    api.field(&read, "/data", &fresh["data"])
}

async fn a_write_without_a_version_wins(api: &mut Api) -> Found {
    let (path, _) = api.config_map("unconditional").await?;
    for value in ["one", "two"] {
        let map = json!({"metadata": {"name": "unconditional"}, "data": {"key": value}});
        let put = api.put(&path, &map).await?;
        api.status(&put, 200)?;
        api.field(&put, "/data/key", &json!(value))?;
    }
    Ok(())
}

/// The status codes of one request sent over several connections at once.
async fn at_once(
    api: &mut Api,
    requests: Vec<(Method, String, &'static str, Value)>,
) -> Result<Vec<u16>, super::Wrong> {
    let mut clients = Vec::new();
    for _ in &requests {
        clients.push(api.another().await?);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (mut client, (method, path, media, body)) in clients.into_iter().zip(requests) {
        tasks.spawn_local(async move {
            let body = Bytes::from(body.to_string());
            let answer = client.send(method, &path, Some((media, body)), JSON).await;
            answer.map(|answer| answer.status)
        });
    }
    let answers = tasks.join_all().await;
    Ok(answers.into_iter().collect::<anyhow::Result<_>>()?)
}

/// How many racers there are.
const RACERS: usize = 8;

fn exactly_one(api: &mut Api, codes: &[u16], success: u16) -> Found {
    let won = codes.iter().filter(|code| **code == success).count();
    let lost = codes.iter().filter(|code| **code == 409).count();
    api.hold(won == 1 && lost == RACERS - 1, || {
        format!(
            "the codes are {codes:?}, expected one {success} and {} 409",
            RACERS - 1
        )
    })
}

async fn one_of_many_writers_wins(api: &mut Api) -> Found {
    let (path, made) = api.config_map("raced").await?;
    let racers = (0..RACERS).map(|racer| {
        let mut map = made.clone();
        map["data"] = json!({"key": racer.to_string()});
        (Method::PUT, path.clone(), JSON, map)
    });
    let codes = at_once(api, racers.collect()).await?;
    exactly_one(api, &codes, 200)
}

async fn one_of_many_creators_wins(api: &mut Api) -> Found {
    let path = api.path("configmaps");
    let racers = (0..RACERS).map(|racer| {
        let map = json!({"metadata": {"name": "raced-for"}, "data": {"key": racer.to_string()}});
        (Method::POST, path.clone(), JSON, map)
    });
    let codes = at_once(api, racers.collect()).await?;
    exactly_one(api, &codes, 201)
}

async fn a_stale_patch_conflicts(api: &mut Api) -> Found {
    let (path, made) = api.config_map("stale-patch").await?;
    let patched = api
        .patch(&path, MERGE, &json!({"data": {"key": "fresh"}}))
        .await?;
    api.status(&patched, 200)?;
    let version = &made["metadata"]["resourceVersion"];
    let patch = json!({"metadata": {"resourceVersion": version}, "data": {"key": "stale"}});
    let patched = api.patch(&path, MERGE, &patch).await?;
    api.refused(&patched, 409, "Conflict")
}

async fn patches_of_different_fields_all_stay(api: &mut Api) -> Found {
    let (path, _) = api.config_map("patched-at-once").await?;
    // A server may give up on a patch that it had to begin again five times.
    const PATCHERS: usize = 4;
    let patches = (0..PATCHERS).map(|patcher| {
        let patch = json!({"data": {format!("of-{patcher}"): "there"}});
        (Method::PATCH, path.clone(), MERGE, patch)
    });
    let codes = at_once(api, patches.collect()).await?;
    api.hold(codes.iter().all(|code| *code == 200), || {
        format!("the codes are {codes:?}")
    })?;
    let read = api.get(&path).await?;
    for patcher in 0..PATCHERS {
        api.field(&read, &format!("/data/of-{patcher}"), &json!("there"))?;
    }
    Ok(())
}

async fn a_delete_may_name_the_object(api: &mut Api) -> Found {
    let (path, made) = api.config_map("preconditions").await?;
    let uid = json!({"preconditions": {"uid": "00000000-0000-4000-8000-000000000000"}});
    let refused = api.delete(&path, &uid).await?;
    api.refused(&refused, 409, "Conflict")?;
    let version = json!({"preconditions": {"resourceVersion": "1"}});
    let refused = api.delete(&path, &version).await?;
    api.refused(&refused, 409, "Conflict")?;
    let right = json!({"preconditions": {"uid": made["metadata"]["uid"],
        "resourceVersion": made["metadata"]["resourceVersion"]}});
    let deleted = api.delete(&path, &right).await?;
    api.status(&deleted, 200)
}

async fn a_dry_run_changes_nothing(api: &mut Api) -> Found {
    let maps = api.path("configmaps");
    let map = json!({"metadata": {"name": "dry"}, "data": {"key": "value"}});
    let made = api.post(&format!("{maps}?dryRun=All"), &map).await?;
    api.status(&made, 201)?;
    api.field(&made, "/data", &map["data"])?;
    let path = format!("{maps}/dry");
    let read = api.get(&path).await?;
    api.refused(&read, 404, "NotFound")?;
    let (path, _) = (path, api.config_map("dry").await?);
    let patch = json!({"data": {"key": "other"}});
    let patched = api
        .patch(&format!("{path}?dryRun=All"), MERGE, &patch)
        .await?;
    api.status(&patched, 200)?;
    api.field(&patched, "/data/key", &json!("other"))?;
    let deleted = api
        .delete(&format!("{path}?dryRun=All"), &Value::Null)
        .await?;
    api.status(&deleted, 200)?;
    let read = api.get(&path).await?;
    api.status(&read, 200)?;
    api.field(&read, "/data/key", &json!("value"))
}
