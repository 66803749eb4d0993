//! What a decision about a kubelet has to know of the cluster, read from the cache before it is made.

use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;
use model::rules::authorization::{Attributes, Facts, Identity};
use model::rules::resource_version::ReadAt;
use model::rules::selector::{FieldSelector, Selector};
use serde_json::Value;

use crate::backend::{Backend, ListFrom, ListRequest, Selection};
use crate::strategy::Kinds;

/// Facts about the one object that a request names.
#[derive(Debug, Default)]
pub(super) struct Known {
    pod_node: Option<String>,
    used: bool,
}

impl Facts for Known {
    fn pod_node(&self, _: &str, _: &str) -> Option<String> {
        self.pod_node.clone()
    }

    fn used_by_pod_on(&self, _: &str, _: &str, _: &str, _: &str) -> bool {
        self.used
    }
}

/// Reads what is needed; nothing for anyone but a kubelet.
pub(super) async fn gather(
    backend: &Backend<Kinds>,
    who: &Identity,
    what: &Attributes<'_>,
) -> Known {
    let Some(node) = who.node_name() else {
        return Known::default();
    };
    match (what.group, what.resource) {
        ("", "pods") if !what.name.is_empty() => Known {
            pod_node: pod_node(backend, what.namespace, what.name).await,
            ..Known::default()
        },
        ("", "configmaps" | "secrets" | "serviceaccounts") => {
            let name = what
                .field_selector
                .trim_start_matches("metadata.name=")
                .trim_start_matches('=');
            let name = if what.name.is_empty() {
                name
            } else {
                what.name
            };
            Known {
                used: used(backend, node, what, name).await,
                ..Known::default()
            }
        }
        _ => Known::default(),
    }
}

/// The node of a pod. The cache is enough for a pod that is bound; one that it does not know, or knows
/// unbound, is read again as fresh as the store has it.
async fn pod_node(backend: &Backend<Kinds>, namespace: &str, name: &str) -> Option<String> {
    let key = ObjectKey::new(kinds::pods(), namespace, name);
    let mut found = None;
    for at in [ReadAt::Any, ReadAt::Consistent] {
        found = backend.get(&key, at).await.ok().map(|pod| {
            let pod: Value = serde_json::from_slice(pod.body()).unwrap_or_default();
            pod["spec"]["nodeName"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        });
        if found.as_ref().is_some_and(|node| !node.is_empty()) {
            return found;
        }
    }
    found
}

/// Whether a pod bound to the node mounts or names the object.
async fn used(backend: &Backend<Kinds>, node: &str, what: &Attributes<'_>, name: &str) -> bool {
    let Ok(fields) = FieldSelector::parse(&format!("spec.nodeName={node}")) else {
        return false;
    };
    for at in [ReadAt::Any, ReadAt::Consistent] {
        let request = ListRequest {
            selection: Selection {
                resource: GroupResource::new("", "pods"),
                namespace: what.namespace.to_owned(),
                labels: Selector::everything(),
                fields: fields.clone(),
            },
            at,
            limit: 0,
            from: ListFrom::Start,
        };
        let pods = backend
            .list(request)
            .await
            .map(|list| list.items)
            .unwrap_or_default();
        let names_it = pods.iter().any(|pod| {
            let pod: Value = serde_json::from_slice(pod.body()).unwrap_or_default();
            references(&pod["spec"], what.resource, name)
        });
        if names_it {
            return true;
        }
    }
    false
}

/// Whether a pod's spec refers to an object of its namespace.
fn references(spec: &Value, resource: &str, name: &str) -> bool {
    let is = |value: &Value| value.as_str() == Some(name);
    let items = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    if resource == "serviceaccounts" {
        return is(&spec["serviceAccountName"]);
    }
    let (volume, volume_name, env, env_from) = match resource {
        "configmaps" => ("configMap", "name", "configMapKeyRef", "configMapRef"),
        _ => ("secret", "secretName", "secretKeyRef", "secretRef"),
    };
    let mounted = items(&spec["volumes"]).iter().any(|one| {
        is(&one[volume][volume_name])
            || items(&one["projected"]["sources"])
                .iter()
                .any(|source| is(&source[volume]["name"]))
    });
    let pulls = resource == "secrets"
        && items(&spec["imagePullSecrets"])
            .iter()
            .any(|one| is(&one["name"]));
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    let named = lists
        .iter()
        .flat_map(|list| items(&spec[*list]))
        .any(|container| {
            items(&container["env"])
                .iter()
                .any(|one| is(&one["valueFrom"][env]["name"]))
                || items(&container["envFrom"])
                    .iter()
                    .any(|one| is(&one[env_from]["name"]))
        });
    mounted || pulls || named
}
