//! A container's environment: references to variables, to fields of the pod and to its resources.

use std::collections::BTreeMap;

use crate::objects::pod::{PodView, ResourceFieldRef};
use crate::rules::quantity::Quantity;
use crate::rules::resources::Requests;

/// Replaces `$(NAME)` by the variable's value. `$$` stands for `$`; a reference to a variable that is not there,
/// and anything else, stays as it is (kubernetes `third_party/forked/golang/expansion`).
pub fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            expanded.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after
            .strip_prefix('(')
            .and_then(|open| open.split_once(')'))
        {
            match lookup(name) {
                Some(value) => expanded.push_str(value),
                None => {
                    expanded.push_str("$(");
                    expanded.push_str(name);
                    expanded.push(')');
                }
            }
            rest = tail;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    expanded
}

/// Why a reference has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No field that may be referred to.
    #[error("unsupported fieldPath: {0}")]
    Field(String),
    /// No resource that may be referred to.
    #[error("unsupported container resource: {0}")]
    Resource(String),
    /// The pod has no container of that name.
    #[error("container {0} not found")]
    Container(String),
    /// The divisor is not a quantity, or is zero.
    #[error("the divisor {0:?} is not a quantity above zero")]
    Divisor(String),
    /// A request or limit is not a quantity.
    #[error("{0:?} is not a quantity")]
    Quantity(String),
}

/// What the node adds to a pod's own fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// The node's address.
    pub host_ip: String,
    /// The pod's addresses.
    pub pod_ips: Vec<String>,
    /// What stands for a limit that a container does not have.
    pub allocatable: Requests,
}

/// The value of `fieldRef.fieldPath` (kubernetes `pkg/fieldpath`, `podFieldSelectorRuntimeValue`).
pub fn field(pod: &PodView, facts: &NodeFacts, path: &str) -> Result<String, ReferenceError> {
    if let Some((map, key)) = subscript(path) {
        let found = match map {
            "metadata.labels" => pod.metadata.labels.get(key),
            "metadata.annotations" => pod.metadata.annotations.get(key),
            _ => return Err(ReferenceError::Field(path.to_owned())),
        };
        return Ok(found.cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.metadata.namespace.clone(),
        "metadata.uid" => pod.metadata.uid.clone(),
        "metadata.labels" => lines(&pod.metadata.labels),
        "metadata.annotations" => lines(&pod.metadata.annotations),
        "spec.nodeName" => pod.spec.node_name.clone(),
        "spec.serviceAccountName" => pod.spec.service_account_name.clone(),
        "status.hostIP" | "status.hostIPs" => facts.host_ip.clone(),
        "status.podIP" => facts.pod_ips.first().cloned().unwrap_or_default(),
        "status.podIPs" => facts.pod_ips.join(","),
        _ => return Err(ReferenceError::Field(path.to_owned())),
    })
}

/// `metadata.labels['app']` as `metadata.labels` and `app`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, key) = path.split_once("['")?;
    Some((map, key.strip_suffix("']")?))
}

/// `key="value"` a line, as files of a downward API volume have it.
fn lines(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n")
}

/// The value of a `resourceFieldRef` for the container `own`: rounded up to whole divisors
/// (kubernetes `pkg/api/v1/resource`, `ExtractContainerResourceValue`).
pub fn resource(
    pod: &PodView,
    facts: &NodeFacts,
    own: &str,
    reference: &ResourceFieldRef,
) -> Result<String, ReferenceError> {
    let name = match reference.container_name.as_str() {
        "" => own,
        name => name,
    };
    let all = pod.spec.init_containers.iter().chain(&pod.spec.containers);
    let container = all
        .into_iter()
        .find(|container| container.name == name)
        .ok_or_else(|| ReferenceError::Container(name.to_owned()))?;
    let unknown = || ReferenceError::Resource(reference.resource.clone());
    let (list, kind) = reference.resource.split_once('.').ok_or_else(unknown)?;
    let resources = match list {
        "limits" => &container.resources.limits,
        "requests" => &container.resources.requests,
        _ => return Err(unknown()),
    };
    let quantity =
        |text: &str| Quantity::parse(text).map_err(|_| ReferenceError::Quantity(text.to_owned()));
    let given = resources.get(kind).map(|text| quantity(text)).transpose()?;
    let limit = list == "limits";
    let value = match (kind, given) {
        ("cpu", Some(given)) => given.milli_value(),
        ("cpu", None) if limit => facts.allocatable.cpu_milli,
        ("memory", None) if limit => facts.allocatable.memory_bytes,
        ("memory" | "ephemeral-storage", Some(given)) => given.value(),
        ("cpu" | "memory" | "ephemeral-storage", None) => 0,
        _ => return Err(unknown()),
    };
    let divisor = match reference.divisor.as_str() {
        "" | "0" => Quantity::units(1),
        text => Quantity::parse(text).map_err(|_| ReferenceError::Divisor(text.to_owned()))?,
    };
    let divisor = if kind == "cpu" {
        divisor.milli_value()
    } else {
        divisor.value()
    };
    if divisor <= 0 {
        return Err(ReferenceError::Divisor(reference.divisor.clone()));
    }
    Ok((value / divisor + i64::from(value % divisor > 0)).to_string())
}

/// Whether the text may name a variable: printable ASCII without `=` (kubernetes `IsRelaxedEnvVarName`).
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let lookup = |name: &str| match name {
            "A" => Some("a"),
            "EMPTY" => Some(""),
            "LOOP" => Some("$(A)"),
            _ => None,
        };
        assert_eq!(expand(text, lookup), expected, "{text}");
    }

    #[test]
    fn references_are_expanded_once() {
        check("$(A)", "a");
        check("x$(A)y$(A)z", "xayaz");
        check("$(EMPTY)|", "|");
        check("$(LOOP)", "$(A)");
        check("$(NONE)", "$(NONE)");
        check("$$(A)", "$(A)");
        check("$$$(A)", "$a");
        check("$A $ $(", "$A $ $(");
        check("$(A", "$(A");
        check("ä$(A)ö", "äaö");
    }

    fn pod() -> PodView {
        serde_json::from_str(
            r#"{"metadata":{"name":"p","namespace":"n","uid":"u","labels":{"a/b":"c","z":"y"}},
                "spec":{"nodeName":"node-1","containers":[{"name":"web","resources":{"limits":{"cpu":"1500m"},
                "requests":{"memory":"1Mi"}}}]}}"#,
        )
        .expect("a pod")
    }

    #[test]
    fn fields_of_the_pod() {
        let facts = NodeFacts {
            host_ip: "10.0.0.1".to_owned(),
            pod_ips: vec!["10.1.0.2".to_owned()],
            ..NodeFacts::default()
        };
        let get = |path: &str| field(&pod(), &facts, path);
        for (path, value) in [
            ("metadata.name", "p"),
            ("metadata.namespace", "n"),
            ("metadata.uid", "u"),
            ("metadata.labels['a/b']", "c"),
            ("metadata.labels['none']", ""),
            ("metadata.labels", "a/b=\"c\"\nz=\"y\""),
            ("spec.nodeName", "node-1"),
            ("status.hostIP", "10.0.0.1"),
            ("status.podIP", "10.1.0.2"),
        ] {
            assert_eq!(get(path).as_deref(), Ok(value), "{path}");
        }
        assert!(get("spec.containers").is_err());
        assert!(get("spec.nodeName['a']").is_err());
    }

    #[test]
    fn resources_in_whole_divisors() {
        let facts = NodeFacts {
            allocatable: Requests {
                cpu_milli: 2000,
                memory_bytes: 4096,
            },
            ..NodeFacts::default()
        };
        let get = |resource_name: &str, divisor: &str, container: &str| {
            let reference = ResourceFieldRef {
                container_name: container.to_owned(),
                resource: resource_name.to_owned(),
                divisor: divisor.to_owned(),
            };
            resource(&pod(), &facts, "web", &reference)
        };
        assert_eq!(get("limits.cpu", "", "").as_deref(), Ok("2"));
        assert_eq!(get("limits.cpu", "1m", "web").as_deref(), Ok("1500"));
        assert_eq!(get("requests.memory", "1Ki", "").as_deref(), Ok("1024"));
        assert_eq!(get("limits.memory", "", "").as_deref(), Ok("4096"));
        assert_eq!(get("requests.cpu", "", "").as_deref(), Ok("0"));
        assert!(get("limits.gpu", "", "").is_err());
        assert!(get("limits.cpu", "-1", "").is_err());
        assert!(get("limits.cpu", "", "other").is_err());
    }

    #[test]
    fn names_of_variables() {
        assert!(is_name("A_b.c-1"));
        assert!(!is_name("a=b") && !is_name("") && !is_name("a\n") && !is_name("ä"));
    }
}
