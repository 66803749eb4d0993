//! The permissions of scheduler and controllers, after the bootstrap cluster roles of Kubernetes.

use super::{Attributes, CONTROLLERS, SCHEDULER};

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch"];
const COLLECT: &[&str] = &[
    "get",
    "list",
    "watch",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// Verbs on a resource, written `pods` or `pods/status`, of an API group; `*` stands for every group or resource.
struct Grant {
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
}

const fn grant(
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
) -> Grant {
    Grant {
        verbs,
        group,
        resource,
    }
}

/// `system:kube-scheduler`.
const SCHEDULER_GRANTS: &[Grant] = &[
    grant(READ, "", "pods"),
    grant(&["delete"], "", "pods"),
    grant(&["create"], "", "pods/binding"),
    grant(&["patch", "update"], "", "pods/status"),
    grant(READ, "", "nodes"),
    grant(READ, "", "namespaces"),
    grant(READ, "apps", "replicasets"),
    grant(WRITE, "", "events"),
    grant(WRITE, "coordination.k8s.io", "leases"),
    grant(&["get"], "coordination.k8s.io", "leases"),
];

/// `system:kube-controller-manager` with its controllers' roles: the garbage collector and the namespace
/// controller read, change and delete every kind; creating is granted kind by kind.
const CONTROLLER_GRANTS: &[Grant] = &[
    grant(COLLECT, "*", "*"),
    grant(&["create"], "", "pods"),
    grant(&["create"], "", "events"),
    grant(&["create"], "", "serviceaccounts"),
    grant(&["create"], "coordination.k8s.io", "leases"),
    grant(&["update", "patch"], "", "pods/status"),
    grant(&["update", "patch"], "", "nodes/status"),
    grant(&["update", "patch"], "", "namespaces/status"),
    grant(&["update"], "", "namespaces/finalize"),
    grant(&["update", "patch"], "apps", "replicasets/status"),
];

/// Whether the component of this user name may do it.
pub(super) fn permits(user: &str, what: &Attributes<'_>) -> bool {
    let grants = match user {
        SCHEDULER => SCHEDULER_GRANTS,
        CONTROLLERS => CONTROLLER_GRANTS,
        _ => return false,
    };
    grants.iter().any(|grant| grant.covers(what))
}

impl Grant {
    fn covers(&self, what: &Attributes<'_>) -> bool {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        self.verbs.contains(&what.verb)
            && (self.group == "*" || self.group == what.group)
            && (resource == "*" || resource == what.resource)
            && subresource == what.subresource
    }
}
