//! Pods that no node takes, so that nobody but the API server has a say: defaults, status, what may change.

use serde_json::{Value, json};

use super::client::{Api, Found, MERGE, STRATEGIC, Wrong};
use super::{Check, check};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Reference,
        pods_have_defaults,
        "what a pod leaves out is filled in"
    ),
    check!(
        Reference,
        a_new_pod_is_pending,
        "a pod that no node has is Pending, whatever its creator says"
    ),
    check!(
        Conventions,
        a_write_does_not_touch_status,
        "a write of the object leaves its status as it is"
    ),
    check!(
        Conventions,
        the_status_is_written_alone,
        "a write of /status leaves the spec as it is"
    ),
    check!(
        Reference,
        a_pod_keeps_its_spec,
        "most of a pod's spec cannot be changed: 422 Invalid"
    ),
    check!(
        Reference,
        an_image_may_change,
        "the image of a container can be changed"
    ),
    check!(
        Reference,
        pods_are_selected_by_field,
        "spec.nodeName and status.phase select pods"
    ),
    check!(
        Reference,
        containers_are_needed,
        "a pod without containers is 422 Invalid"
    ),
];

/// A pod that no node takes, with containers of these names.
pub(super) fn unplaced(name: &str, containers: &[&str]) -> Value {
    let containers: Vec<Value> = containers
        .iter()
        .map(|name| json!({"name": name, "image": "example.com/image:1"}))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"suite": "api"}},
        "spec": {
            "nodeSelector": {"plimsoll.dev/no-node-has-this": "true"},
            "containers": containers,
        },
    })
}

/// Makes one; its path and what the server answered.
async fn made(api: &mut Api, name: &str) -> Result<(String, super::client::Answer), Wrong> {
    let pods = api.path("pods");
    let made = api.post(&pods, &unplaced(name, &["one"])).await?;
    api.status(&made, 201)?;
    Ok((format!("{pods}/{name}"), made))
}

async fn pods_have_defaults(api: &mut Api) -> Found {
    let (_, pod) = made(api, "defaulted").await?;
    for (pointer, value) in [
        ("/spec/restartPolicy", json!("Always")),
        ("/spec/dnsPolicy", json!("ClusterFirst")),
        ("/spec/terminationGracePeriodSeconds", json!(30)),
        ("/spec/schedulerName", json!("default-scheduler")),
        ("/spec/serviceAccountName", json!("default")),
        ("/spec/containers/0/imagePullPolicy", json!("IfNotPresent")),
        (
            "/spec/containers/0/terminationMessagePath",
            json!("/dev/termination-log"),
        ),
        ("/status/qosClass", json!("BestEffort")),
    ] {
        api.field(&pod, pointer, &value)?;
    }
    Ok(())
}

async fn a_new_pod_is_pending(api: &mut Api) -> Found {
    let mut pod = unplaced("pending", &["one"]);
    pod["status"] = json!({"phase": "Running"});
    let made = api.post(&api.path("pods"), &pod).await?;
    api.status(&made, 201)?;
    api.field(&made, "/status/phase", &json!("Pending"))?;
    api.field(&made, "/spec/nodeName", &Value::Null)
}

async fn a_write_does_not_touch_status(api: &mut Api) -> Found {
    let (path, _) = made(api, "spec-write").await?;
    let patch = json!({"metadata": {"labels": {"seen": "yes"}}, "status": {"message": "not so"}});
    let patched = api.patch(&path, MERGE, &patch).await?;
    api.status(&patched, 200)?;
    api.field(&patched, "/metadata/labels/seen", &json!("yes"))?;
    api.field(&patched, "/status/message", &Value::Null)
}

async fn the_status_is_written_alone(api: &mut Api) -> Found {
    let (path, _) = made(api, "status-write").await?;
    let patch = json!({"spec": {"activeDeadlineSeconds": 77}, "status": {"message": "so"}});
    let patched = api.patch(&format!("{path}/status"), MERGE, &patch).await?;
    api.status(&patched, 200)?;
    api.field(&patched, "/status/message", &json!("so"))?;
    let read = api.get(&path).await?;
    api.field(&read, "/status/message", &json!("so"))?;
    api.field(&read, "/spec/activeDeadlineSeconds", &Value::Null)
}

async fn a_pod_keeps_its_spec(api: &mut Api) -> Found {
    let (path, _) = made(api, "kept").await?;
    for spec in [
        json!({"restartPolicy": "Never"}),
        json!({"hostNetwork": true}),
        json!({"hostname": "h"}),
    ] {
        let refused = api.patch(&path, MERGE, &json!({"spec": spec})).await?;
        api.refused(&refused, 422, "Invalid")?;
    }
    Ok(())
}

async fn an_image_may_change(api: &mut Api) -> Found {
    let (path, _) = made(api, "image").await?;
    let patch = json!({"spec": {"containers": [{"name": "one", "image": "example.com/image:2"}]}});
    let patched = api.patch(&path, STRATEGIC, &patch).await?;
    api.status(&patched, 200)?;
    api.field(
        &patched,
        "/spec/containers/0/image",
        &json!("example.com/image:2"),
    )
}

async fn pods_are_selected_by_field(api: &mut Api) -> Found {
    made(api, "selected").await?;
    let pods = api.path("pods");
    for (selector, expected) in [
        ("metadata.name%3Dselected,spec.nodeName%3D", true),
        ("metadata.name%3Dselected,status.phase%3DPending", true),
        ("metadata.name%3Dselected,status.phase%21%3DPending", false),
        ("metadata.name%3Dselected,spec.nodeName%3Dsome-node", false),
    ] {
        let names = api
            .get(&format!("{pods}?fieldSelector={selector}"))
            .await?
            .names();
        api.hold((names == ["selected"]) == expected, || {
            format!("{selector} selects {names:?}")
        })?;
    }
    Ok(())
}

async fn containers_are_needed(api: &mut Api) -> Found {
    let pod = json!({"metadata": {"name": "empty"}, "spec": {"containers": []}});
    let refused = api.post(&api.path("pods"), &pod).await?;
    api.refused(&refused, 422, "Invalid")?;
    api.field(
        &refused,
        "/details/causes/0/field",
        &json!("spec.containers"),
    )
}
