//! The objects of the machines' world, and what the API server's write path asks about them.
//!
//! What a rule about pods, nodes or namespaces does not need is left out; deletion, binding and identity are the
//! shipped machine's own.

use std::collections::BTreeMap;

use model::actions::kubelet::PodName;
use model::machines::kubelet::pod::{
    Container, Former, Phase, Pod, Reported, Requests, RestartPolicy,
};
use model::machines::scheduler::{Demand, NodeView, PodView};
use model::machines::transaction::{Context, Strategy};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::{Reason, Status};
use model::rules::object_meta::SystemMeta;
use model::rules::resources::Resources;

/// The namespace of everything here.
pub const NAMESPACE: &str = "default";
/// The name of every pod's only container.
pub const CONTAINER: &str = "main";
/// What a graceful deletion may take, in seconds.
pub const GRACE_S: i64 = 30;

/// An object, stored or taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Thing {
    /// Its metadata.
    pub meta: SystemMeta,
    /// `spec.nodeName` of a pod.
    pub node: String,
    /// Whether the pod's container is started again when it has ended.
    pub restarts: bool,
    /// `status` of a pod.
    pub status: PodStatus,
    /// How often the node of a node's object has started.
    pub starts: u8,
}

/// The status of a pod as far as anything here depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodStatus {
    /// `phase`.
    pub phase: Phase,
    /// The containers that were ever started.
    pub started: BTreeMap<String, Former>,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// This object.
    Whole(Box<Thing>),
    /// This status.
    Status(PodStatus),
    /// A node has started again.
    Starts,
}

/// The rules of these objects.
#[derive(Clone, Copy, Debug, Default)]
pub struct Things;

impl Strategy for Things {
    type Value = Thing;
    type Change = Change;
    type Draft = Thing;

    fn decode(&self, _: &ObjectKey, value: &Thing, revision: u64) -> Result<Thing, Status> {
        let mut draft = value.clone();
        draft.meta.resource_version = revision.to_string();
        Ok(draft)
    }

    fn encode(&self, _: &ObjectKey, draft: &Thing) -> Result<Thing, Status> {
        let mut value = draft.clone();
        value.meta.resource_version.clear();
        Ok(value)
    }

    fn size(&self, _: &Thing) -> u64 {
        1
    }

    fn meta(&self, draft: &Thing) -> Result<SystemMeta, Status> {
        Ok(draft.meta.clone())
    }

    fn set_meta(&self, draft: &mut Thing, meta: &SystemMeta) {
        draft.meta.clone_from(meta);
    }

    fn create(&self, _: Context<'_>, change: &Change) -> Result<Thing, Status> {
        match change {
            Change::Whole(thing) => Ok((**thing).clone()),
            _ => Err(Status::new(Reason::BadRequest, "a create has an object")),
        }
    }

    fn update(&self, _: Context<'_>, current: &Thing, change: &Change) -> Result<Thing, Status> {
        let mut draft = current.clone();
        match change {
            Change::Whole(thing) => draft.clone_from(thing),
            Change::Status(status) => draft.status.clone_from(status),
            Change::Starts => draft.starts += 1,
        }
        Ok(draft)
    }

    fn validate(&self, _: Context<'_>, _: &Thing, _: Option<&Thing>) -> Result<(), Status> {
        Ok(())
    }

    fn counts_generations(&self, _: &ObjectKey) -> bool {
        false
    }

    fn spec_changed(&self, _: &ObjectKey, _: &Thing, _: &Thing) -> bool {
        false
    }

    fn creates_on_update(&self, _: &ObjectKey) -> bool {
        false
    }

    fn updates_unconditionally(&self, _: &ObjectKey) -> bool {
        true
    }

    fn grace_seconds(&self, key: &ObjectKey, current: &Thing, asked: Option<i64>) -> Option<i64> {
        let at_once = current.node.is_empty() || current.status.phase.terminal();
        let seconds = if at_once { 0 } else { asked.unwrap_or(GRACE_S) };
        (key.resource == kinds::pods()).then_some(seconds)
    }

    fn is_held(&self, _: &ObjectKey, _: &Thing) -> bool {
        false
    }

    fn begin_deletion(&self, _: &ObjectKey, _: &mut Thing) {}

    fn bound_node(&self, draft: &Thing) -> Option<String> {
        (!draft.node.is_empty()).then(|| draft.node.clone())
    }

    fn bind(&self, _: Context<'_>, draft: &mut Thing, node: &str) {
        node.clone_into(&mut draft.node);
    }
}

impl Thing {
    /// A pod that asks for one thousandth of a core.
    pub fn pod(name: &str, restarts: bool) -> Self {
        Thing {
            meta: SystemMeta {
                name: name.to_owned(),
                namespace: NAMESPACE.to_owned(),
                ..SystemMeta::default()
            },
            restarts,
            ..Thing::default()
        }
    }

    /// A node or namespace.
    pub fn named(name: &str) -> Self {
        Thing {
            meta: SystemMeta {
                name: name.to_owned(),
                ..SystemMeta::default()
            },
            ..Thing::default()
        }
    }

    /// As a kubelet reads a pod.
    pub fn kubelet_view(&self) -> Pod {
        let restart = if self.restarts {
            RestartPolicy::Always
        } else {
            RestartPolicy::Never
        };
        Pod {
            name: PodName {
                namespace: self.meta.namespace.clone(),
                name: self.meta.name.clone(),
                uid: self.meta.uid.clone(),
            },
            node_name: self.node.clone(),
            deleting: self.meta.deleting(),
            grace_s: u64::try_from(GRACE_S).unwrap_or(0),
            restart,
            containers: vec![Container {
                name: CONTAINER.to_owned(),
                ..Container::default()
            }],
            requests: ONE,
            reported: Reported {
                phase: self.status.phase,
                started: self.status.started.clone(),
                ..Reported::default()
            },
            ..Pod::default()
        }
    }

    /// As a scheduler reads a pod.
    pub fn scheduler_view(&self) -> PodView {
        PodView {
            uid: self.meta.uid.clone(),
            ours: !self.meta.deleting(),
            node: self.node.clone(),
            finished: self.status.phase.terminal(),
            demand: Demand {
                requests: Resources {
                    milli_cpu: ONE.cpu_milli,
                    pods: 1,
                    ..Resources::default()
                },
                ..Demand::default()
            },
            ..PodView::default()
        }
    }
}

/// What every pod asks for.
pub const ONE: Requests = Requests {
    cpu_milli: 1,
    memory_bytes: 0,
};

/// A node with room for so many pods, as a scheduler reads it.
pub fn node_view(room: u32) -> NodeView {
    NodeView {
        allocatable: Resources {
            milli_cpu: i64::from(room),
            pods: i64::from(room),
            ..Resources::default()
        },
        ..NodeView::default()
    }
}
