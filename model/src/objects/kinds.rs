//! The table of the kinds that are served. A new kind is a new row, plus its rules.

use bincode::{Decode, Encode};

use crate::objects::key::GroupResource;

/// What may follow an object's name in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Subresource {
    /// `status`: what the system observed; written without touching `spec`.
    Status,
    /// `scale`: the `autoscaling/v1` view of a workload's size.
    Scale,
    /// `binding`: assigns a pod to a node, once.
    Binding,
    /// `finalize`: whose finalizers still hold a namespace.
    Finalize,
    /// `log`: a container's output.
    Log,
    /// `exec`: a command run inside a container.
    Exec,
}

impl Subresource {
    /// As it is written in a path.
    pub fn as_str(self) -> &'static str {
        match self {
            Subresource::Status => "status",
            Subresource::Scale => "scale",
            Subresource::Binding => "binding",
            Subresource::Finalize => "finalize",
            Subresource::Log => "log",
            Subresource::Exec => "exec",
        }
    }
}

/// One row of the table: a kind, how it is named, and what it can do.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version inside the group.
    pub version: &'static str,
    /// The kind as objects carry it.
    pub kind: &'static str,
    /// Plural in lower case, as in paths.
    pub plural: &'static str,
    /// Singular in lower case, as `kubectl` accepts it.
    pub singular: &'static str,
    /// Short names that `kubectl` accepts.
    pub short_names: &'static [&'static str],
    /// Groups of kinds that `kubectl get` knows under one word, such as `all`.
    pub categories: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether its objects expire some time after their last write. How long that is, who starts an API server says
    /// (kube-apiserver's `--event-ttl`).
    pub expires: bool,
    /// What may follow an object's name in a path.
    pub subresources: &'static [Subresource],
}

impl Kind {
    /// The resource as keys name it.
    pub fn resource(&self) -> GroupResource {
        GroupResource::new(self.group, self.plural)
    }

    /// `v1`, `apps/v1`: as objects carry it.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// The row of a resource, if it is served.
pub fn find(resource: &GroupResource) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.group == resource.group && kind.plural == resource.resource)
}

/// The row of a kind, if it is served.
pub fn find_kind(group: &str, kind: &str) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|row| row.group == group && row.kind == kind)
}

macro_rules! kinds {
    ($($group:literal $version:literal $kind:literal $plural:literal $singular:literal [$($short:literal)*]
       [$($category:literal)*] $scope:ident $life:ident [$($sub:ident)*];)*) => {
        /// Every kind that is served, by group and plural.
        pub const KINDS: &[Kind] = &[$(Kind {
            group: $group,
            version: $version,
            kind: $kind,
            plural: $plural,
            singular: $singular,
            short_names: &[$($short),*],
            categories: &[$($category),*],
            namespaced: kinds!(@ $scope),
            expires: kinds!(@ $life),
            subresources: &[$(Subresource::$sub),*],
        }),*];
    };
    (@ Namespaced) => { true };
    (@ Cluster) => { false };
    (@ Expires) => { true };
    (@ Stays) => { false };
}

kinds! {
//  group                 version kind             plural            singular         short     categories scope      life    subresources
    ""                    "v1"    "ConfigMap"      "configmaps"      "configmap"      ["cm"]    []         Namespaced Stays   [];
    ""                    "v1"    "Event"          "events"          "event"          ["ev"]    []         Namespaced Expires [];
    ""                    "v1"    "Namespace"      "namespaces"      "namespace"      ["ns"]    []         Cluster    Stays   [Status Finalize];
    ""                    "v1"    "Node"           "nodes"           "node"           ["no"]    []         Cluster    Stays   [Status];
    ""                    "v1"    "Pod"            "pods"            "pod"            ["po"]    ["all"]    Namespaced Stays   [Status Binding Log Exec];
    ""                    "v1"    "Secret"         "secrets"         "secret"         []        []         Namespaced Stays   [];
    ""                    "v1"    "ServiceAccount" "serviceaccounts" "serviceaccount" ["sa"]    []         Namespaced Stays   [];
    "apps"                "v1"    "ReplicaSet"     "replicasets"     "replicaset"     ["rs"]    ["all"]    Namespaced Stays   [Status Scale];
    "coordination.k8s.io" "v1"    "Lease"          "leases"          "lease"          []        []         Namespaced Stays   [];
}

/// The resource `pods`.
pub fn pods() -> GroupResource {
    GroupResource::new("", "pods")
}

/// The resource `nodes`.
pub fn nodes() -> GroupResource {
    GroupResource::new("", "nodes")
}

/// The resource `namespaces`.
pub fn namespaces() -> GroupResource {
    GroupResource::new("", "namespaces")
}

/// The resource `replicasets.apps`.
pub fn replicasets() -> GroupResource {
    GroupResource::new("apps", "replicasets")
}

/// The resource `leases.coordination.k8s.io`.
pub fn leases() -> GroupResource {
    GroupResource::new("coordination.k8s.io", "leases")
}

/// The resource `events`.
pub fn events() -> GroupResource {
    GroupResource::new("", "events")
}

/// The resource `configmaps`.
pub fn configmaps() -> GroupResource {
    GroupResource::new("", "configmaps")
}

/// The resource `secrets`.
pub fn secrets() -> GroupResource {
    GroupResource::new("", "secrets")
}

/// The resource `serviceaccounts`.
pub fn serviceaccounts() -> GroupResource {
    GroupResource::new("", "serviceaccounts")
}
