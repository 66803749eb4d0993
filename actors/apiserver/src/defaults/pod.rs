//! `v1` Pod and PodTemplate.

use serde_json::{Map, Value, json};

use super::{Fields, container, each, inner, made, set, volume};

/// How long a pod stays on a node that is not ready or not reachable, in seconds (`DefaultTolerationSeconds`).
const TOLERATION_SECONDS: i64 = 300;

/// A pod.
pub fn pod(object: &mut Fields) {
    if let Some(spec) = made(object, "spec") {
        set(spec, "enableServiceLinks", true);
        pod_spec(spec);
    }
}

/// A template: the pod that a workload makes.
pub fn pod_template(template: &mut Fields) {
    made(template, "metadata");
    if let Some(spec) = made(template, "spec") {
        pod_spec(spec);
    }
}

fn pod_spec(spec: &mut Fields) {
    set(spec, "restartPolicy", "Always");
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "schedulerName", "default-scheduler");
    set(spec, "securityContext", Map::new());
    // Both names of one field, kept equal.
    if let Some(name) = spec.get("serviceAccountName").cloned() {
        spec.insert("serviceAccount".to_owned(), name);
    } else if let Some(name) = spec.get("serviceAccount").cloned() {
        spec.insert("serviceAccountName".to_owned(), name);
    }
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for one in each(spec, list) {
            container::container(one);
            if host_network {
                for port in each(one, "ports") {
                    if let Some(number) = port.get("containerPort").cloned() {
                        set(port, "hostPort", number);
                    }
                }
            }
        }
    }
    each(spec, "volumes").for_each(volume::volume);
}

/// What a pod is given when it is created, beside its defaults: the admission plugins `ServiceAccount`,
/// `DefaultTolerationSeconds` and `Priority` of Kubernetes, and its first status.
pub fn admit_pod(object: &mut Fields) {
    if let Some(spec) = made(object, "spec") {
        set(spec, "serviceAccountName", "default");
        set(spec, "serviceAccount", "default");
        set(spec, "priority", 0);
        set(spec, "preemptionPolicy", "PreemptLowerPriority");
        for key in [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
        ] {
            tolerate(spec, key);
        }
    }
    let class = qos_class(object);
    object.insert(
        "status".to_owned(),
        json!({ "phase": "Pending", "qosClass": class }),
    );
}

/// Adds a toleration for a taint, unless the pod says itself how long it tolerates it.
fn tolerate(spec: &mut Fields, key: &str) {
    set(spec, "tolerations", Vec::<Value>::new());
    let Some(tolerations) = spec.get_mut("tolerations").and_then(Value::as_array_mut) else {
        return;
    };
    let says_itself = tolerations.iter().any(|toleration| {
        let text = |name: &str| {
            toleration
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        (text("key") == key || text("key").is_empty()) && matches!(text("effect"), "NoExecute" | "")
    });
    if !says_itself {
        tolerations.push(json!({
            "key": key,
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": TOLERATION_SECONDS,
        }));
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`, from the containers' CPU and memory.
fn qos_class(object: &mut Fields) -> &'static str {
    let Some(spec) = inner(object, "spec") else {
        return "BestEffort";
    };
    let (mut any, mut all) = (false, true);
    for list in ["initContainers", "containers"] {
        for one in each(spec, list) {
            let amount = |kind: &str, name: &str| {
                let amounts = one
                    .get("resources")
                    .and_then(|resources| resources.get(kind));
                let amount = amounts
                    .and_then(|amounts| amounts.get(name))
                    .and_then(Value::as_str);
                amount.filter(|amount| *amount != "0")
            };
            for name in ["cpu", "memory"] {
                let (request, limit) = (amount("requests", name), amount("limits", name));
                any |= request.is_some() || limit.is_some();
                all &= limit.is_some() && request == limit;
            }
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
