//! The four kinds of patches.

use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::client::{APPLY, Api, Found, JSON, JSON_PATCH, MERGE, STRATEGIC};
use super::{Check, check};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Concepts,
        a_merge_patch_merges,
        "a merge patch adds, changes and removes (RFC 7386)"
    ),
    check!(
        Concepts,
        a_json_patch_does_its_steps,
        "a JSON patch does all of its steps (RFC 6902)"
    ),
    check!(
        Concepts,
        a_json_patch_is_all_or_nothing,
        "a JSON patch whose test fails changes nothing"
    ),
    check!(
        Concepts,
        a_strategic_patch_merges_lists_by_key,
        "a strategic merge patch finds a container by its name"
    ),
    check!(
        Concepts,
        a_patch_of_nothing_is_404,
        "a patch does not make what is not there"
    ),
    check!(
        Concepts,
        a_patch_of_an_unknown_kind_is_415,
        "a patch of another media type is 415 UnsupportedMediaType"
    ),
    check!(
        Apply,
        apply_makes_and_changes,
        "applying makes what is not there, then changes it"
    ),
    check!(
        Apply,
        apply_conflicts_name_the_manager,
        "applying what another manager owns is 409 Conflict, unless forced"
    ),
    check!(
        Apply,
        apply_removes_what_is_left_out,
        "what a manager applied and leaves out is removed"
    ),
    check!(
        Apply,
        apply_needs_a_manager,
        "applying without a fieldManager is refused"
    ),
];

async fn a_merge_patch_merges(api: &mut Api) -> Found {
    let (path, _) = api.config_map("merged").await?;
    let patch = json!({"metadata": {"labels": {"a": "b"}}, "data": {"key": null, "other": "x"}});
    let patched = api.patch(&path, MERGE, &patch).await?;
    api.status(&patched, 200)?;
    api.field(&patched, "/metadata/labels", &json!({"a": "b"}))?;
    api.field(&patched, "/data", &json!({"other": "x"}))
}

async fn a_json_patch_does_its_steps(api: &mut Api) -> Found {
    let (path, _) = api.config_map("stepped").await?;
    let patch = json!([
        {"op": "test", "path": "/data/key", "value": "value"},
        {"op": "copy", "from": "/data/key", "path": "/data/copied"},
        {"op": "replace", "path": "/data/key", "value": "replaced"},
        {"op": "add", "path": "/data/a~1b", "value": "escaped"},
    ]);
    // `/` is no character of a key of a config map: the whole patch is refused by validation.
    let refused = api.patch(&path, JSON_PATCH, &patch).await?;
    api.refused(&refused, 422, "Invalid")?;
    let steps = patch
        .as_array()
        .map(|steps| json!(steps[..3]))
        .unwrap_or_default();
    let patched = api.patch(&path, JSON_PATCH, &steps).await?;
    api.status(&patched, 200)?;
    api.field(
        &patched,
        "/data",
        &json!({"copied": "value", "key": "replaced"}),
    )
}

async fn a_json_patch_is_all_or_nothing(api: &mut Api) -> Found {
    let (path, _) = api.config_map("tested").await?;
    let patch = json!([
        {"op": "replace", "path": "/data/key", "value": "replaced"},
        {"op": "test", "path": "/data/key", "value": "something else"},
    ]);
    let patched = api.patch(&path, JSON_PATCH, &patch).await?;
    api.status(&patched, 422)?;
    let read = api.get(&path).await?;
    api.field(&read, "/data", &json!({"key": "value"}))
}

async fn a_strategic_patch_merges_lists_by_key(api: &mut Api) -> Found {
    let pods = api.path("pods");
    let pod = super::pods::unplaced("strategic", &["one", "two"]);
    let made = api.post(&pods, &pod).await?;
    api.status(&made, 201)?;
    let path = format!("{pods}/strategic");
    let patch = json!({"spec": {"containers": [{"name": "two", "image": "example.com/other"}]}});
    let patched = api.patch(&path, STRATEGIC, &patch).await?;
    api.status(&patched, 200)?;
    let containers = patched
        .at("/spec/containers")
        .as_array()
        .cloned()
        .unwrap_or_default();
    let images: Vec<_> = containers
        .iter()
        .map(|one| (&one["name"], &one["image"]))
        .collect();
    let right = images
        == [
            (&json!("one"), &pod["spec"]["containers"][0]["image"]),
            (&json!("two"), &json!("example.com/other")),
        ];
    api.hold(right, || format!("the containers are {images:?}"))
}

async fn a_patch_of_nothing_is_404(api: &mut Api) -> Found {
    let path = api.path("configmaps/not-there");
    let patched = api
        .patch(&path, MERGE, &json!({"data": {"key": "value"}}))
        .await?;
    api.refused(&patched, 404, "NotFound")
}

async fn a_patch_of_an_unknown_kind_is_415(api: &mut Api) -> Found {
    let (path, _) = api.config_map("unknown-patch").await?;
    let body = Some(("application/x-plimsoll", Bytes::from_static(b"{}")));
    let patched = api.send(Method::PATCH, &path, body, JSON).await?;
    api.refused(&patched, 415, "UnsupportedMediaType")
}

/// The path at which a manager applies a config map.
fn applied_at(api: &Api, name: &str, manager: &str) -> String {
    format!(
        "{}?fieldManager={manager}",
        api.path(&format!("configmaps/{name}"))
    )
}

fn map(name: &str, data: serde_json::Value) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

async fn apply_makes_and_changes(api: &mut Api) -> Found {
    let path = applied_at(api, "applied", "one");
    let made = api
        .patch(&path, APPLY, &map("applied", json!({"a": "1"})))
        .await?;
    api.status(&made, 201)?;
    api.field(
        &made,
        "/metadata/managedFields/0/operation",
        &json!("Apply"),
    )?;
    let changed = api
        .patch(&path, APPLY, &map("applied", json!({"a": "2"})))
        .await?;
    api.status(&changed, 200)?;
    api.field(&changed, "/data", &json!({"a": "2"}))
}

async fn apply_conflicts_name_the_manager(api: &mut Api) -> Found {
    let name = "contested";
    let (one, two) = (applied_at(api, name, "one"), applied_at(api, name, "two"));
    let made = api
        .patch(&one, APPLY, &map(name, json!({"a": "1"})))
        .await?;
    api.status(&made, 201)?;
    let other = map(name, json!({"a": "2"}));
    let refused = api.patch(&two, APPLY, &other).await?;
    api.refused(&refused, 409, "Conflict")?;
    api.field(
        &refused,
        "/details/causes/0/reason",
        &json!("FieldManagerConflict"),
    )?;
    let named = refused
        .text("/details/causes/0/message")
        .contains("\"one\"");
    api.hold(named, || {
        format!("{} does not name the manager", refused.told())
    })?;
    let forced = api
        .patch(&format!("{two}&force=true"), APPLY, &other)
        .await?;
    api.status(&forced, 200)?;
    api.field(&forced, "/data", &json!({"a": "2"}))
}

async fn apply_removes_what_is_left_out(api: &mut Api) -> Found {
    let name = "left-out";
    let (one, two) = (applied_at(api, name, "one"), applied_at(api, name, "two"));
    for (path, data) in [
        (&one, json!({"a": "1", "b": "1"})),
        (&two, json!({"c": "2"})),
    ] {
        let applied = api.patch(path, APPLY, &map(name, data)).await?;
        api.hold(matches!(applied.status, 200 | 201), || applied.told())?;
    }
    let applied = api
        .patch(&one, APPLY, &map(name, json!({"a": "1"})))
        .await?;
    api.status(&applied, 200)?;
    api.field(&applied, "/data", &json!({"a": "1", "c": "2"}))
}

async fn apply_needs_a_manager(api: &mut Api) -> Found {
    let path = api.path("configmaps/unmanaged");
    let applied = api
        .patch(&path, APPLY, &map("unmanaged", json!({"a": "1"})))
        .await?;
    // No document says with which code.
    api.hold(matches!(applied.status, 400 | 422), || {
        format!("{}, expected a refusal", applied.told())
    })
}
