//! The fields that a list or watch may select by, beside labels: one row a resource.
//!
//! Source: the `ToSelectableFields` and field-label conversions of Kubernetes' registries.

use crate::objects::key::GroupResource;

/// A field that can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// As a selector names it.
    pub name: &'static str,
    /// Where it is in the object.
    pub path: &'static [&'static str],
    /// Where else it is, if it is empty there.
    pub otherwise: &'static [&'static str],
    /// What it is where the object does not have it.
    pub absent: &'static str,
}

/// What can be selected of a resource, `metadata.name` and `metadata.namespace` (where it has one) apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Fields {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural of the resource.
    pub resource: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// The field by which watches are grouped: many of them, each confined to one value of it.
    pub grouped: Option<usize>,
}

impl Fields {
    /// The place of a field in [`fields`](Self::fields).
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}

/// The row of a resource; resources without a row have only name and namespace.
pub fn of(group: &str, resource: &str) -> &'static Fields {
    ROWS.iter()
        .find(|row| row.group == group && row.resource == resource)
        .unwrap_or(&NONE)
}

/// Kubernetes' words for a field that a resource does not let be selected.
pub fn unsupported(resource: &GroupResource, namespaced: bool, field: &str) -> String {
    let row = of(&resource.group, &resource.resource);
    if row == &NONE {
        return if namespaced {
            format!(
                "\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            )
        } else {
            format!("\"{field}\" is not a known field selector: only \"metadata.name\"")
        };
    }
    format!("field label not supported: {field}")
}

const NONE: Fields = Fields {
    group: "",
    resource: "",
    fields: &[],
    grouped: None,
};

const fn field(name: &'static str, path: &'static [&'static str]) -> Field {
    Field {
        name,
        path,
        otherwise: &[],
        absent: "",
    }
}

const fn field_or(
    name: &'static str,
    path: &'static [&'static str],
    absent: &'static str,
) -> Field {
    Field {
        name,
        path,
        otherwise: &[],
        absent,
    }
}

const ROWS: &[Fields] = &[
    Fields {
        group: "",
        resource: "pods",
        fields: &[
            field("spec.nodeName", &["spec", "nodeName"]),
            field("spec.restartPolicy", &["spec", "restartPolicy"]),
            field("spec.schedulerName", &["spec", "schedulerName"]),
            field("spec.serviceAccountName", &["spec", "serviceAccountName"]),
            field_or("spec.hostNetwork", &["spec", "hostNetwork"], "false"),
            field("status.phase", &["status", "phase"]),
            field("status.podIP", &["status", "podIP"]),
            field("status.nominatedNodeName", &["status", "nominatedNodeName"]),
        ],
        grouped: Some(0),
    },
    Fields {
        group: "",
        resource: "nodes",
        fields: &[field_or(
            "spec.unschedulable",
            &["spec", "unschedulable"],
            "false",
        )],
        grouped: None,
    },
    Fields {
        group: "",
        resource: "namespaces",
        fields: &[
            field("status.phase", &["status", "phase"]),
            field("name", &["metadata", "name"]),
        ],
        grouped: None,
    },
    Fields {
        group: "",
        resource: "secrets",
        fields: &[field("type", &["type"])],
        grouped: None,
    },
    Fields {
        group: "",
        resource: "events",
        fields: &[
            field("involvedObject.kind", &["involvedObject", "kind"]),
            field("involvedObject.namespace", &["involvedObject", "namespace"]),
            field("involvedObject.name", &["involvedObject", "name"]),
            field("involvedObject.uid", &["involvedObject", "uid"]),
            field(
                "involvedObject.apiVersion",
                &["involvedObject", "apiVersion"],
            ),
            field(
                "involvedObject.resourceVersion",
                &["involvedObject", "resourceVersion"],
            ),
            field("involvedObject.fieldPath", &["involvedObject", "fieldPath"]),
            field("reason", &["reason"]),
            field("reportingComponent", &["reportingComponent"]),
            Field {
                name: "source",
                path: &["source", "component"],
                otherwise: &["reportingComponent"],
                absent: "",
            },
            field("type", &["type"]),
        ],
        grouped: None,
    },
    Fields {
        group: "apps",
        resource: "replicasets",
        fields: &[field_or("status.replicas", &["status", "replicas"], "0")],
        grouped: None,
    },
];
