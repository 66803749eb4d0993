//! ReplicaSets.

use model::machine::Now;
use model::rules::selector::LabelSelector;
use serde_json::Value;

use super::{AGE, CellsError, Columns, NAME, age, number, or_none, text};

/// ReplicaSets.
pub const REPLICA_SETS: Columns = Columns {
    definitions: &[
        NAME,
        number(
            "Desired",
            0,
            "Replicas is the number of desired pods. This is a pointer to distinguish between explicit zero and unspecified. Defaults to 1. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        ),
        number(
            "Current",
            0,
            "Replicas is the most recently observed number of non-terminating pods. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        ),
        number(
            "Ready",
            0,
            "The number of non-terminating pods targeted by this ReplicaSet with a Ready Condition.",
        ),
        AGE,
        text("Containers", 1, "Names of each container in the template."),
        text(
            "Images",
            1,
            "Images referenced by each container in the template.",
        ),
        text(
            "Selector",
            1,
            "Selector is a label query over pods that should match the replica count. Label keys and values that must match in order to be controlled by this replica set. It must match the pod template's labels. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        ),
    ],
    cells,
};

fn cells(body: &[u8], now: Now) -> Result<Vec<Value>, CellsError> {
    let set: Value = serde_json::from_slice(body)?;
    let count = |value: &Value| Value::from(value.as_i64().unwrap_or_default());
    let containers = set["spec"]["template"]["spec"]["containers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let each = |field: &str| -> String {
        let texts = containers
            .iter()
            .map(|one| one[field].as_str().unwrap_or_default());
        texts.collect::<Vec<_>>().join(",")
    };
    let selector: LabelSelector =
        serde_json::from_value(set["spec"]["selector"].clone()).unwrap_or_default();
    let selector = selector
        .selector()
        .map(|selector| selector.to_string())
        .unwrap_or_default();
    Ok(vec![
        set["metadata"]["name"].as_str().unwrap_or_default().into(),
        count(&set["spec"]["replicas"]),
        count(&set["status"]["replicas"]),
        count(&set["status"]["readyReplicas"]),
        age::since(set["metadata"]["creationTimestamp"].as_str(), now).into(),
        each("name").into(),
        each("image").into(),
        or_none(&selector),
    ])
}
