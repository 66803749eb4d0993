//! What is a pod's own when it is written: its grace, and its binding.

use model::machine::Now;
use model::rules::time;
use serde_json::{Value, json};

/// Grace of a pod that says nothing itself, in seconds.
const GRACE_SECONDS: i64 = 30;

/// How long the deletion of a pod may take (`CheckGracefulDelete` of the pod strategy): a pod that no kubelet
/// has, or whose containers have all ended, goes at once.
pub(super) fn grace_seconds(pod: &Value, asked: Option<i64>) -> i64 {
    let bound = pod["spec"]["nodeName"]
        .as_str()
        .is_some_and(|node| !node.is_empty());
    let ended = matches!(
        pod["status"]["phase"].as_str(),
        Some("Failed" | "Succeeded")
    );
    if !bound || ended {
        return 0;
    }
    let own = pod["spec"]["terminationGracePeriodSeconds"].as_i64();
    match asked.or(own).unwrap_or(GRACE_SECONDS) {
        negative if negative < 0 => 1,
        seconds => seconds,
    }
}

/// The class of a pod's quality of service follows from its spec: a status neither changes nor forgets it.
pub(super) fn keep_class(pod: &mut Value, current: &Value) {
    let class = &current["status"]["qosClass"];
    if let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut)
        && !class.is_null()
    {
        status.insert("qosClass".to_owned(), class.clone());
    }
}

/// Binds a pod to a node: step 6 of the path of a pod.
pub(super) fn bind(pod: &mut Value, node: &str, now: Now) {
    pod["spec"]["nodeName"] = node.into();
    let scheduled = json!({
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": time::seconds(now),
    });
    if !pod["status"]["conditions"].is_array() {
        pod["status"]["conditions"] = json!([]);
    }
    if let Some(conditions) = pod["status"]["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["type"] != "PodScheduled");
        conditions.push(scheduled);
    }
}
