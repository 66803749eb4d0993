//! How fields are merged: the one table behind strategic merge patch and the published OpenAPI document.
//!
//! Rows are by definition, as OpenAPI names it, and field. Source: the tags `patchStrategy` and `patchMergeKey`
//! in `k8s.io/api` and `k8s.io/apimachinery`.

use crate::objects::kinds::Kind;

/// How the elements of a list are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// No list, or a list that a patch replaces as a whole.
    Whole,
    /// Plain values, merged as a set.
    Set,
    /// Objects, merged by this field.
    ByKey(&'static str),
    /// Objects, merged by this field; an element that a patch changes keeps only the fields that the patch
    /// lists in `$retainKeys`.
    ByKeyRetaining(&'static str),
}

impl ListType {
    /// The extension `x-kubernetes-patch-strategy`, if the field has it.
    pub fn strategy(self) -> Option<&'static str> {
        match self {
            ListType::Whole => None,
            ListType::Set | ListType::ByKey(_) => Some("merge"),
            ListType::ByKeyRetaining(_) => Some("merge,retainKeys"),
        }
    }

    /// The extension `x-kubernetes-patch-merge-key`, if the field has it.
    pub fn merge_key(self) -> Option<&'static str> {
        match self {
            ListType::Whole | ListType::Set => None,
            ListType::ByKey(key) | ListType::ByKeyRetaining(key) => Some(key),
        }
    }
}

/// One row: a field that is merged in its own way, or that leads to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The definition that has the field, as in `io.k8s.api.core.v1.PodSpec`.
    pub owner: &'static str,
    /// The field.
    pub name: &'static str,
    /// The definition of its value, or of the elements of its list; empty for plain values.
    pub target: &'static str,
    /// How its elements are merged.
    pub list: ListType,
}

/// The row of a field; without one, objects are merged field by field and lists are replaced.
pub fn field(owner: &str, name: &str) -> Option<&'static Field> {
    TABLE
        .iter()
        .find(|row| row.owner == owner && row.name == name)
}

/// The OpenAPI definition of a kind: `io.k8s.api.core.v1.Pod`.
pub fn definition(kind: &Kind) -> String {
    // The packages of `k8s.io/api` are named by the first word of their group.
    let package = match kind.group.split('.').next() {
        None | Some("") => "core",
        Some(first) => first,
    };
    format!("io.k8s.api.{package}.{}.{}", kind.version, kind.kind)
}

macro_rules! table {
    ($($prefix:literal $owner:literal { $($name:literal -> $target:tt $list:expr;)* })*) => {
        /// Every row.
        pub const TABLE: &[Field] = &[$($(Field {
            owner: concat!("io.k8s.", $prefix, ".", $owner),
            name: $name,
            target: table!(@ $target),
            list: $list,
        }),*),*];
    };
    (@ -) => { "" };
    (@ [$prefix:literal $name:literal]) => { concat!("io.k8s.", $prefix, ".", $name) };
}

use ListType::{ByKey, ByKeyRetaining, Set, Whole};

table! {
    "api.core.v1" "ConfigMap" { "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole; }
    "api.core.v1" "Event" { "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole; }
    "api.core.v1" "Secret" { "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole; }
    "api.coordination.v1" "Lease" { "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole; }
    "apimachinery.pkg.apis.meta.v1" "ObjectMeta" {
        "finalizers" -> - Set;
        "ownerReferences" -> ["apimachinery.pkg.apis.meta.v1" "OwnerReference"] ByKey("uid");
    }
    "api.core.v1" "Namespace" {
        "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole;
        "status" -> ["api.core.v1" "NamespaceStatus"] Whole;
    }
    "api.core.v1" "NamespaceStatus" {
        "conditions" -> ["api.core.v1" "NamespaceCondition"] ByKey("type");
    }
    "api.core.v1" "Node" {
        "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole;
        "spec" -> ["api.core.v1" "NodeSpec"] Whole;
        "status" -> ["api.core.v1" "NodeStatus"] Whole;
    }
    "api.core.v1" "NodeSpec" { "podCIDRs" -> - Set; }
    "api.core.v1" "NodeStatus" {
        "addresses" -> ["api.core.v1" "NodeAddress"] ByKey("type");
        "conditions" -> ["api.core.v1" "NodeCondition"] ByKey("type");
    }
    "api.core.v1" "ServiceAccount" {
        "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole;
        "secrets" -> ["api.core.v1" "ObjectReference"] ByKey("name");
    }
    "api.core.v1" "Pod" {
        "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole;
        "spec" -> ["api.core.v1" "PodSpec"] Whole;
        "status" -> ["api.core.v1" "PodStatus"] Whole;
    }
    "api.core.v1" "PodTemplateSpec" {
        "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole;
        "spec" -> ["api.core.v1" "PodSpec"] Whole;
    }
    "api.core.v1" "PodSpec" {
        "containers" -> ["api.core.v1" "Container"] ByKey("name");
        "ephemeralContainers" -> ["api.core.v1" "EphemeralContainer"] ByKey("name");
        "hostAliases" -> ["api.core.v1" "HostAlias"] ByKey("ip");
        "imagePullSecrets" -> ["api.core.v1" "LocalObjectReference"] ByKey("name");
        "initContainers" -> ["api.core.v1" "Container"] ByKey("name");
        "resourceClaims" -> ["api.core.v1" "PodResourceClaim"] ByKeyRetaining("name");
        "schedulingGates" -> ["api.core.v1" "PodSchedulingGate"] ByKey("name");
        "topologySpreadConstraints" -> ["api.core.v1" "TopologySpreadConstraint"] ByKey("topologyKey");
        "volumes" -> ["api.core.v1" "Volume"] ByKeyRetaining("name");
    }
    "api.core.v1" "PodStatus" {
        "conditions" -> ["api.core.v1" "PodCondition"] ByKey("type");
        "hostIPs" -> ["api.core.v1" "HostIP"] ByKey("ip");
        "podIPs" -> ["api.core.v1" "PodIP"] ByKey("ip");
        "resourceClaimStatuses" -> ["api.core.v1" "PodResourceClaimStatus"] ByKeyRetaining("name");
    }
    "api.core.v1" "Container" {
        "env" -> ["api.core.v1" "EnvVar"] ByKey("name");
        "ports" -> ["api.core.v1" "ContainerPort"] ByKey("containerPort");
        "volumeDevices" -> ["api.core.v1" "VolumeDevice"] ByKey("devicePath");
        "volumeMounts" -> ["api.core.v1" "VolumeMount"] ByKey("mountPath");
    }
    "api.core.v1" "EphemeralContainer" {
        "env" -> ["api.core.v1" "EnvVar"] ByKey("name");
        "ports" -> ["api.core.v1" "ContainerPort"] ByKey("containerPort");
        "volumeDevices" -> ["api.core.v1" "VolumeDevice"] ByKey("devicePath");
        "volumeMounts" -> ["api.core.v1" "VolumeMount"] ByKey("mountPath");
    }
    "api.apps.v1" "ReplicaSet" {
        "metadata" -> ["apimachinery.pkg.apis.meta.v1" "ObjectMeta"] Whole;
        "spec" -> ["api.apps.v1" "ReplicaSetSpec"] Whole;
        "status" -> ["api.apps.v1" "ReplicaSetStatus"] Whole;
    }
    "api.apps.v1" "ReplicaSetSpec" { "template" -> ["api.core.v1" "PodTemplateSpec"] Whole; }
    "api.apps.v1" "ReplicaSetStatus" {
        "conditions" -> ["api.apps.v1" "ReplicaSetCondition"] ByKey("type");
    }
}
