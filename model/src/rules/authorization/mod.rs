//! Who may do what: fixed sets of permissions, one for each component, as a pure function.
//!
//! Sources: "Using Node Authorization" and the `NodeRestriction` admission plugin of Kubernetes for kubelets,
//! its bootstrap cluster roles for the others. The wording of refusals is that of `k8s.io/apiserver`.

mod components;
mod node;

use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::status::{Details, Reason, Status};

/// The group whose members may do everything.
pub const MASTERS: &str = "system:masters";
/// The group of every kubelet.
pub const NODES: &str = "system:nodes";
/// The user name of a kubelet is this and its node's name.
pub const NODE_PREFIX: &str = "system:node:";
/// The user name of the scheduler.
pub const SCHEDULER: &str = "system:kube-scheduler";
/// The user name of the controllers.
pub const CONTROLLERS: &str = "system:kube-controller-manager";
/// The group of everybody who has been authenticated.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The user of a request without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of a request without credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

/// Who asks: as a client certificate says, common name and organizations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The user name.
    pub user: String,
    /// The groups the user is in.
    pub groups: Vec<String>,
}

impl Identity {
    /// A user in the given groups and in [`AUTHENTICATED`].
    pub fn new(user: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain([AUTHENTICATED]);
        Identity {
            user: user.to_owned(),
            groups: groups.map(str::to_owned).collect(),
        }
    }

    /// Nobody in particular.
    pub fn anonymous() -> Self {
        Identity {
            user: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
        }
    }

    /// The kubelet of a node.
    pub fn node(name: &str) -> Self {
        Identity::new(&format!("{NODE_PREFIX}{name}"), &[NODES])
    }

    /// Whether the user is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// Whether this is somebody, as against [`anonymous`](Self::anonymous).
    pub fn authenticated(&self) -> bool {
        self.is_in(AUTHENTICATED)
    }

    /// The node whose kubelet this is.
    pub fn node_name(&self) -> Option<&str> {
        self.user
            .strip_prefix(NODE_PREFIX)
            .filter(|name| !name.is_empty() && self.is_in(NODES))
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes<'a> {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: &'a str,
    /// API group of the resource; empty for the core group.
    pub group: &'a str,
    /// Plural of the resource.
    pub resource: &'a str,
    /// What follows the name; empty for the object itself.
    pub subresource: &'a str,
    /// The namespace; empty for cluster scope and for all namespaces.
    pub namespace: &'a str,
    /// The name; empty for collections. For a create, the name in the body, where there is one.
    pub name: &'a str,
    /// The field selector of a list or watch.
    pub field_selector: &'a str,
}

/// What the decision about a kubelet has to know of the cluster. Answered from the watch cache.
pub trait Facts {
    /// The node to which a pod is bound, empty while it is bound to none; `None` if there is no such pod.
    fn pod_node(&self, namespace: &str, pod: &str) -> Option<String>;

    /// Whether a pod bound to `node` mounts or names the object: a configmap, a secret or a service account.
    fn used_by_pod_on(&self, node: &str, resource: &str, namespace: &str, name: &str) -> bool;
}

/// Decides.
///
/// # Errors
/// 403 with Kubernetes' words and, for a kubelet, the rule that refused. 404 where a kubelet asks for a pod that
/// is not there: it has to tell a pod that is gone from one that is another node's.
pub fn authorize(who: &Identity, what: &Attributes<'_>, facts: &dyn Facts) -> Result<(), Status> {
    let verdict = if who.is_in(MASTERS) {
        Ok(())
    } else if let Some(node) = who.node_name() {
        node::permits(node, what, facts)
    } else if components::permits(&who.user, what) {
        Ok(())
    } else {
        Err(Refusal::Because(String::new()))
    };
    verdict.map_err(|refusal| match refusal {
        Refusal::Because(why) => forbidden(who, what, &why),
        Refusal::Absent => Status::not_found(&ObjectKey::new(
            GroupResource::new(what.group, what.resource),
            what.namespace,
            what.name,
        )),
    })
}

/// Why something is refused.
enum Refusal {
    /// A rule refuses it, in words; empty where nothing permits it.
    Because(String),
    /// The object it depends on is not there.
    Absent,
}

/// Decides about a path that is not a resource's, such as `/metrics`. Discovery and health are everyone's
/// who has been authenticated (`system:discovery`), health and version anyone's (`system:public-info-viewer`).
///
/// # Errors
/// 403 with Kubernetes' words.
pub fn authorize_path(who: &Identity, verb: &str, path: &str) -> Result<(), Status> {
    let under = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let public = ["/livez", "/readyz", "/healthz", "/version"];
    let discovery = ["/api", "/apis", "/openapi"];
    let permitted = who.is_in(MASTERS)
        || verb == "get"
            && (public.iter().any(|root| under(root))
                || who.authenticated() && discovery.iter().any(|root| under(root)));
    if permitted {
        return Ok(());
    }
    let message = format!(
        "forbidden: User \"{}\" cannot {verb} path \"{path}\"",
        who.user
    );
    Err(Status::new(Reason::Forbidden, message))
}

fn forbidden(who: &Identity, what: &Attributes<'_>, why: &str) -> Status {
    let mut qualified = what.resource.to_owned();
    if !what.group.is_empty() {
        qualified = format!("{qualified}.{}", what.group);
    }
    let subject = match what.name {
        "" => qualified,
        name => format!("{qualified} \"{name}\""),
    };
    let mut resource = what.resource.to_owned();
    if !what.subresource.is_empty() {
        resource = format!("{resource}/{}", what.subresource);
    }
    let scope = match what.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let mut message = format!(
        "{subject} is forbidden: User \"{}\" cannot {} resource \"{resource}\" in API group \"{}\" {scope}",
        who.user, what.verb, what.group
    );
    if !why.is_empty() {
        message = format!("{message}: {why}");
    }
    Status {
        reason: Reason::Forbidden,
        message,
        details: Box::new(Details {
            name: what.name.to_owned(),
            group: what.group.to_owned(),
            kind: what.resource.to_owned(),
            ..Details::default()
        }),
    }
}
