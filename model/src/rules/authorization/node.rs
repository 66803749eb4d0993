//! A kubelet: its own node, its lease, the pods bound to it and what they mount; nothing else.

use super::{Attributes, Facts, Refusal};

/// The namespace of the nodes' leases.
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Whether the kubelet of `node` may do it; the rule that refuses, otherwise. An empty rule: no permission at all.
pub(super) fn permits(node: &str, what: &Attributes<'_>, facts: &dyn Facts) -> Result<(), Refusal> {
    match (what.group, what.resource) {
        ("", "nodes") => own_node(node, what),
        ("", "pods") => bound_pods(node, what, facts),
        ("", "configmaps" | "secrets" | "serviceaccounts") => mounted(node, what, facts),
        ("coordination.k8s.io", "leases") => own_lease(node, what),
        ("", "events") => match what.verb {
            "create" | "patch" | "update" if what.subresource.is_empty() => Ok(()),
            _ => refuse(""),
        },
        _ => refuse(""),
    }
}

/// Reads and writes its own node; may follow it by a selector that names it.
fn own_node(node: &str, what: &Attributes<'_>) -> Result<(), Refusal> {
    match (what.verb, what.subresource) {
        ("list" | "watch", "") => {
            if what.name == node || pins(what.field_selector, "metadata.name", node) {
                return Ok(());
            }
            refuse(&format!(
                "a kubelet reads nodes only with the field selector metadata.name={node}"
            ))
        }
        ("get", "") | ("create" | "update" | "patch", "") | ("update" | "patch", "status") => {
            if what.name == node {
                return Ok(());
            }
            refuse(&format!(
                "node \"{node}\" is not allowed to {} node \"{}\"",
                if what.verb == "get" { "read" } else { "modify" },
                what.name
            ))
        }
        _ => refuse(""),
    }
}

/// Reads, reports on and deletes the pods bound to it. Lists and watches are pinned to its own pods.
fn bound_pods(node: &str, what: &Attributes<'_>, facts: &dyn Facts) -> Result<(), Refusal> {
    match (what.verb, what.subresource) {
        ("list" | "watch", "") => {
            if pins(what.field_selector, "spec.nodeName", node) {
                return Ok(());
            }
            refuse(&format!(
                "can only list/watch pods with spec.nodeName field selector {node}"
            ))
        }
        ("get" | "delete", "") | ("get" | "update" | "patch", "status") => {
            match facts.pod_node(what.namespace, what.name) {
                Some(bound) if bound == node => Ok(()),
                Some(_) => refuse(&no_relationship(node)),
                None => Err(Refusal::Absent),
            }
        }
        _ => refuse(""),
    }
}

/// Reads single objects that a pod bound to it uses: never a collection, which would show others too,
/// unless the selector pins it to one name.
fn mounted(node: &str, what: &Attributes<'_>, facts: &dyn Facts) -> Result<(), Refusal> {
    if !matches!(what.verb, "get" | "list" | "watch") || !what.subresource.is_empty() {
        return refuse("");
    }
    let pinned = what.field_selector.strip_prefix("metadata.name=");
    let name = match (what.verb, pinned) {
        ("get", _) => what.name,
        (_, Some(name)) if !name.contains(',') => name.trim_start_matches('='),
        _ => {
            return refuse(
                "can only read resource of this type with a name or a metadata.name field selector",
            );
        }
    };
    let used = !what.namespace.is_empty()
        && facts.used_by_pod_on(node, what.resource, what.namespace, name);
    if used {
        Ok(())
    } else {
        refuse(&no_relationship(node))
    }
}

/// Its heartbeat: the lease of its own name.
fn own_lease(node: &str, what: &Attributes<'_>) -> Result<(), Refusal> {
    if !what.subresource.is_empty()
        || !matches!(what.verb, "get" | "create" | "update" | "patch" | "delete")
    {
        return refuse("");
    }
    if what.namespace != LEASE_NAMESPACE {
        return refuse(&format!(
            "can only access leases in the \"{LEASE_NAMESPACE}\" system namespace"
        ));
    }
    if what.name != node {
        return refuse("can only access node lease with the same name as the requesting node");
    }
    Ok(())
}

/// Whether a field selector lets through only objects whose `field` is `value`.
fn pins(selector: &str, field: &str, value: &str) -> bool {
    selector.split(',').any(|term| {
        term.strip_prefix(field)
            .and_then(|rest| rest.strip_prefix('='))
            .is_some_and(|rest| rest == value || rest.strip_prefix('=') == Some(value))
    })
}

fn no_relationship(node: &str) -> String {
    format!("no relationship found between node '{node}' and this object")
}

fn refuse(why: &str) -> Result<(), Refusal> {
    Err(Refusal::Because(why.to_owned()))
}
