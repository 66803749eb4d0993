//! Columns of every kind, and the cells of objects in the states that `kubectl get` tells apart.

use std::fmt::Write as _;

use apiserver::kinds;
use model::machine::Now;
use model::objects::kinds::KINDS;
use serde_json::{Value, json};

/// 2026-01-02T03:04:05Z.
const NOW: Now = Now(1_767_323_045_000);

#[test]
fn every_kind_has_its_rules() {
    let served: Vec<_> = kinds::rows().iter().map(|row| row.kind).collect();
    let all: Vec<_> = KINDS.iter().collect();
    assert_eq!(served, all);
}

#[test]
fn columns() {
    let mut text = String::new();
    for row in kinds::rows() {
        for column in row.rules.columns.definitions {
            writeln!(
                text,
                "{} {} {} {:?} {}",
                row.kind.plural, column.name, column.of, column.format, column.priority
            )
            .expect("a string takes all");
        }
    }
    insta::assert_snapshot!(text);
}

fn cells(plural: &str, object: &Value) -> String {
    let row = kinds::rows()
        .iter()
        .find(|row| row.kind.plural == plural)
        .expect("a kind");
    let columns = row.rules.columns;
    let body = serde_json::to_vec(object).expect("JSON");
    let cells = (columns.cells)(&body, NOW).expect("an object of the kind");
    assert_eq!(cells.len(), columns.definitions.len());
    Value::from(cells).to_string()
}

fn pod(status: Value, more: Value) -> Value {
    let mut pod = json!({
        "metadata": { "name": "a", "creationTimestamp": "2026-01-02T03:02:00Z" },
        "spec": { "nodeName": "n", "containers": [{ "name": "c" }, { "name": "d" }], "initContainers": [{ "name": "i" }, { "name": "j" }] },
        "status": status,
    });
    model::rules::patch::merge(&mut pod, &more);
    pod
}

#[test]
fn pods() {
    let running =
        json!({ "name": "c", "ready": true, "restartCount": 0, "state": { "running": {} } });
    let done = json!({ "name": "d", "restartCount": 0, "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } });
    let crashing = json!({
        "name": "c", "restartCount": 3, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
        "lastState": { "terminated": { "exitCode": 1, "finishedAt": "2026-01-02T03:03:05Z" } },
    });
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    let cases = [
        ("new", pod(json!({ "phase": "Pending" }), json!({}))),
        (
            "running",
            pod(
                json!({ "phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [running, running] }),
                json!({}),
            ),
        ),
        (
            "one done, one running, ready",
            pod(
                json!({ "phase": "Running", "conditions": ready, "containerStatuses": [running, done] }),
                json!({}),
            ),
        ),
        (
            "one done, one running, not ready",
            pod(
                json!({ "phase": "Running", "containerStatuses": [done, running] }),
                json!({}),
            ),
        ),
        (
            "crashing",
            pod(
                json!({ "phase": "Running", "containerStatuses": [crashing] }),
                json!({}),
            ),
        ),
        (
            "ended by a code",
            pod(
                json!({ "phase": "Failed", "containerStatuses": [{ "name": "c", "state": { "terminated": { "exitCode": 3 } } }] }),
                json!({}),
            ),
        ),
        (
            "ended by a signal",
            pod(
                json!({ "phase": "Failed", "containerStatuses": [{ "name": "c", "state": { "terminated": { "exitCode": 137, "signal": 9 } } }] }),
                json!({}),
            ),
        ),
        (
            "completed",
            pod(
                json!({ "phase": "Succeeded", "containerStatuses": [done] }),
                json!({}),
            ),
        ),
        (
            "evicted",
            pod(json!({ "phase": "Failed", "reason": "Evicted" }), json!({})),
        ),
        (
            "initializing",
            pod(
                json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "i", "state": { "terminated": { "exitCode": 0 } } }, { "name": "j", "state": { "running": {} } }] }),
                json!({}),
            ),
        ),
        (
            "initialization crashing",
            pod(
                json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "i", "restartCount": 2, "state": { "waiting": { "reason": "CrashLoopBackOff" } } }] }),
                json!({}),
            ),
        ),
        (
            "initialization failed",
            pod(
                json!({ "phase": "Failed", "initContainerStatuses": [{ "name": "i", "state": { "terminated": { "exitCode": 4 } } }] }),
                json!({}),
            ),
        ),
        (
            "sidecar",
            pod(
                json!({ "phase": "Running", "containerStatuses": [running, running], "initContainerStatuses": [{ "name": "i", "started": true, "ready": true, "state": { "running": {} } }] }),
                json!({ "spec": { "initContainers": [{ "name": "i", "restartPolicy": "Always" }] } }),
            ),
        ),
        (
            "terminating",
            pod(
                json!({ "phase": "Running", "containerStatuses": [running, running] }),
                json!({ "metadata": { "deletionTimestamp": "2026-01-02T03:04:35Z" } }),
            ),
        ),
        (
            "its node is lost",
            pod(
                json!({ "phase": "Running", "reason": "NodeLost" }),
                json!({ "metadata": { "deletionTimestamp": "2026-01-02T03:04:35Z" } }),
            ),
        ),
        (
            "gates",
            pod(
                json!({ "phase": "Running", "conditions": [{ "type": "x", "status": "True" }] }),
                json!({ "spec": { "readinessGates": [{ "conditionType": "x" }, { "conditionType": "y" }] } }),
            ),
        ),
        (
            "scheduling is gated",
            pod(
                json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" }] }),
                json!({}),
            ),
        ),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(name, pod)| format!("{name}: {}", cells("pods", pod)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn others() {
    let meta = json!({ "name": "a", "creationTimestamp": "2026-01-01T00:00:00Z" });
    let template = json!({ "spec": { "containers": [{ "name": "c", "image": "i" }, { "name": "d", "image": "j" }] } });
    let cases = [
        (
            "configmaps",
            json!({ "metadata": meta, "data": { "a": "", "b": "" }, "binaryData": { "c": "" } }),
        ),
        (
            "secrets",
            json!({ "metadata": meta, "type": "Opaque", "data": { "a": "" } }),
        ),
        (
            "serviceaccounts",
            json!({ "metadata": meta, "secrets": [{ "name": "x" }] }),
        ),
        (
            "namespaces",
            json!({ "metadata": meta, "status": { "phase": "Active" } }),
        ),
        (
            "leases",
            json!({ "metadata": meta, "spec": { "holderIdentity": "h" } }),
        ),
        (
            "replicasets",
            json!({ "metadata": meta, "spec": { "replicas": 3, "selector": { "matchLabels": { "a": "b" } }, "template": template }, "status": { "replicas": 2, "readyReplicas": 1 } }),
        ),
        (
            "nodes",
            json!({ "metadata": { "name": "n", "labels": { "node-role.kubernetes.io/control-plane": "" } }, "spec": { "unschedulable": true }, "status": { "conditions": [{ "type": "Ready", "status": "True" }], "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }], "nodeInfo": { "kubeletVersion": "v1", "osImage": "Debian" } } }),
        ),
        (
            "nodes",
            json!({ "metadata": meta, "status": { "conditions": [{ "type": "Ready", "status": "Unknown" }] } }),
        ),
        (
            "events",
            json!({ "metadata": meta, "type": "Normal", "reason": "Started", "message": " started \n", "involvedObject": { "kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}" }, "source": { "component": "kubelet", "host": "n" }, "count": 3, "firstTimestamp": "2026-01-02T03:00:05Z", "lastTimestamp": "2026-01-02T03:04:00Z" }),
        ),
        (
            "events",
            json!({ "metadata": meta, "involvedObject": { "kind": "Node" }, "eventTime": "2026-01-02T03:04:00.000000Z", "reportingComponent": "scheduler" }),
        ),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(plural, object)| format!("{plural}: {}", cells(plural, object)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
