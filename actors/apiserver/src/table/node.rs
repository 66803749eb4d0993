//! Nodes.

use model::machine::Now;
use serde_json::Value;

use super::{AGE, CellsError, Columns, NAME, age, or_none, text};

/// Nodes.
pub const NODES: Columns = Columns {
    definitions: &[
        NAME,
        text("Status", 0, "The status of the node"),
        text("Roles", 0, "The roles of the node"),
        AGE,
        text("Version", 0, "Kubelet Version reported by the node."),
        text("Internal-IP", 1, "List of addresses reachable to the node."),
        text("External-IP", 1, "List of addresses reachable to the node."),
        text(
            "OS-Image",
            1,
            "OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy)).",
        ),
        text(
            "Kernel-Version",
            1,
            "Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64).",
        ),
        text(
            "Container-Runtime",
            1,
            "ContainerRuntime Version reported by the node through runtime remote API (e.g. containerd://1.4.2).",
        ),
    ],
    cells,
};

/// What the label of a role begins with; the rest of its key is the role.
const ROLE: &str = "node-role.kubernetes.io/";

fn cells(body: &[u8], now: Now) -> Result<Vec<Value>, CellsError> {
    let node: Value = serde_json::from_slice(body)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let info = &node["status"]["nodeInfo"];
    let unknown = |value: &Value| {
        Value::from(
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .unwrap_or("<unknown>"),
        )
    };
    Ok(vec![
        text(&node["metadata"]["name"]).into(),
        status(&node).into(),
        or_none(&roles(&node).join(",")),
        age::since(node["metadata"]["creationTimestamp"].as_str(), now).into(),
        text(&info["kubeletVersion"]).into(),
        or_none(&address(&node, "InternalIP")),
        or_none(&address(&node, "ExternalIP")),
        unknown(&info["osImage"]),
        unknown(&info["kernelVersion"]),
        unknown(&info["containerRuntimeVersion"]),
    ])
}

fn status(node: &Value) -> String {
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    let word = match ready.map(|condition| condition["status"] == "True") {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    };
    if node["spec"]["unschedulable"] == true {
        format!("{word},SchedulingDisabled")
    } else {
        word.to_owned()
    }
}

fn roles(node: &Value) -> Vec<String> {
    let labels = node["metadata"]["labels"].as_object();
    let mut roles = Vec::new();
    for (key, value) in labels.into_iter().flatten() {
        match key.strip_prefix(ROLE) {
            Some(role) if !role.is_empty() => roles.push(role.to_owned()),
            _ if key == "kubernetes.io/role" => roles.extend(value.as_str().map(str::to_owned)),
            _ => {}
        }
    }
    roles.sort();
    roles
}

fn address(node: &Value, kind: &str) -> String {
    let addresses = node["status"]["addresses"].as_array();
    let found = addresses
        .into_iter()
        .flatten()
        .find(|address| address["type"] == kind);
    found
        .and_then(|address| address["address"].as_str())
        .unwrap_or_default()
        .to_owned()
}
