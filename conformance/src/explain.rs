//! The eleven steps of one pod, read from the traces of a cluster: when, who, how long each hop took, and where a pod
//! waits that has not got through.

mod steps;

use std::path::PathBuf;

use model::actions::controller::ControllerAction;
use model::actions::kubelet::{KubeletAction, PodName};
use model::actions::reflector::ReflectorAction;
use model::actions::scheduler::SchedulerAction;
use model::actions::transaction::{Effect, TransactionAction};
use model::actions::watch_cache::WatchCacheAction;
use model::objects::key::{GroupResource, ObjectKey};

use crate::said::Said;
use crate::timeline::{Moment, Place, TimelineError, timeline};
use steps::{STEPS, told_by_the_store};

/// A pod's way, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Its namespace and name.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// What has happened, in the order of the steps; a step that is repeated stands once, with what came first.
    pub hops: Vec<Hop>,
    /// What went wrong on the way, or has happened since.
    pub notes: Vec<Note>,
    /// Where it waits; `None` once its status says that it runs or has ended.
    pub waits: Option<Waits>,
}

/// One step that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Which of the eleven; 0 is what a ReplicaSet's controller does before.
    pub step: u8,
    /// What happened.
    pub what: String,
    /// From which process to which; the same for a step of one.
    pub parties: (String, String),
    /// When, in wall-clock milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// At or after which revision of the store.
    pub revision: u64,
}

/// Something else that was recorded of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When, in wall-clock milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// By whom.
    pub by: String,
    /// What.
    pub what: String,
}

/// What comes next and has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Which step.
    pub step: u8,
    /// What it is.
    pub what: &'static str,
    /// Why it has not come, as far as somebody said.
    pub why: Option<String>,
}

/// Why a pod cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The traces cannot be read.
    #[error(transparent)]
    Traces(#[from] TimelineError),
    /// They do not tell of it.
    #[error(
        "no trace tells of a pod {namespace}/{name} being created; traces of long ago are not kept"
    )]
    Unknown {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
}

/// Reads traces and tells the way of the newest pod of a name.
///
/// # Errors
/// If they cannot be read, or no pod of that name was created in them.
pub fn explain(paths: &[PathBuf], namespace: &str, name: &str) -> Result<Way, ExplainError> {
    let moments = timeline(paths)?.moments;
    let key = ObjectKey::new(GroupResource::new("", "pods"), namespace, name);
    let created = moments
        .iter()
        .rposition(|moment| creation(moment, &key).is_some());
    let Some((uid, created)) =
        created.and_then(|at| Some((creation(&moments[at], &key)?.to_owned(), at)))
    else {
        return Err(ExplainError::Unknown {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        });
    };
    let mut pod = Pod::new(key, uid, &moments[created]);
    pod.asked_for(&moments);
    for moment in &moments {
        pod.see(moment);
    }
    let mut way = pod.way();
    told_by_the_store(&mut way.hops, &moments);
    Ok(way)
}

/// The UID, if the moment is the creation of that pod.
fn creation<'a>(moment: &'a Moment, key: &ObjectKey) -> Option<&'a str> {
    match &moment.said {
        Said::Transaction(TransactionAction::Committed {
            key: written,
            uid,
            effect: Effect::Created | Effect::Placed { .. },
            ..
        }) if written == key => Some(uid),
        _ => None,
    }
}

/// The pod that is asked about.
struct Pod {
    key: ObjectKey,
    path: String,
    name: PodName,
    created: Moment,
    bound: Option<u64>,
    node: Option<String>,
    hops: [Option<Hop>; 12],
    notes: Vec<Note>,
    /// The last reason somebody gave for not going on.
    why: Option<String>,
}

impl Pod {
    fn new(key: ObjectKey, uid: String, created: &Moment) -> Self {
        Pod {
            path: key.path(),
            name: PodName {
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                uid,
            },
            key,
            created: created.clone(),
            bound: None,
            node: None,
            hops: Default::default(),
            notes: Vec::new(),
            why: None,
        }
    }

    /// Who asked: the client's write, and the controller behind it if it was one.
    fn asked_for(&mut self, moments: &[Moment]) {
        let Said::Transaction(TransactionAction::Committed { id, revision, .. }) =
            self.created.said
        else {
            return;
        };
        let here = self.created.place.clone();
        let submitted = moments.iter().find(|moment| {
            let said = &moment.said;
            moment.place.incarnation == here.incarnation
                && matches!(said, Said::Transaction(TransactionAction::Submitted { id: other, .. }) if *other == id)
        });
        let asked = moments.iter().find_map(|moment| match &moment.said {
            Said::Controller(ControllerAction::Answered {
                key,
                result: Ok(answered),
                ..
            }) if *answered == revision => Some((key.clone(), &moment.place)),
            _ => None,
        });
        if let Some(moment) = submitted {
            let client = asked.as_ref().map_or("client", |(_, by)| &by.component);
            self.hop(1, client, &here.component, moment, String::new());
        }
        let Some((owner, by)) = asked else { return };
        let began = moments.iter().rev().find(|moment| {
            let asked = matches!(&moment.said, Said::Controller(ControllerAction::Asked { key, .. }) if *key == owner);
            asked && moment.place.machine == by.machine && moment.at_ms <= self.created.at_ms
        });
        if let Some(moment) = began {
            let detail = format!("for {} {}/{}", owner.resource, owner.namespace, owner.name);
            self.hop(0, &by.component, &here.component, moment, detail);
        }
    }

    fn hop(&mut self, step: u8, from: &str, to: &str, moment: &Moment, detail: String) {
        let hop = &mut self.hops[usize::from(step)];
        if hop.is_some() {
            return;
        }
        let title = STEPS[usize::from(step)];
        *hop = Some(Hop {
            step,
            what: match detail.is_empty() {
                true => title.to_owned(),
                false => format!("{title}: {detail}"),
            },
            parties: (from.to_owned(), to.to_owned()),
            at_ms: moment.at_ms,
            revision: moment.revision,
        });
    }

    fn note(&mut self, moment: &Moment, what: String) {
        self.notes.push(Note {
            at_ms: moment.at_ms,
            by: moment.place.component.to_string(),
            what,
        });
    }

    fn see(&mut self, moment: &Moment) {
        match &moment.said {
            Said::Transaction(action) => self.written(moment, action),
            Said::WatchCache(WatchCacheAction::Applied { changes, .. }) => {
                let own = changes.iter().filter(|change| *change.key == *self.path);
                let revisions: Vec<u64> = own.map(|change| change.revision).collect();
                for (step, revision) in [(3, Some(self.created.revision)), (7, self.bound)] {
                    if revision.is_some_and(|revision| revisions.contains(&revision)) {
                        let server = moment.place.component.clone();
                        self.hop(step, "store", &server, moment, String::new());
                    }
                }
            }
            Said::Reflector(ReflectorAction::Applied { key, revision }) if *key == self.key => {
                self.heard(moment, *revision);
            }
            Said::Scheduler(action) => self.scheduled(moment, action),
            Said::Kubelet(action) => self.lived(moment, action),
            _ => {}
        }
    }

    fn written(&mut self, moment: &Moment, action: &TransactionAction) {
        let TransactionAction::Committed {
            uid,
            revision,
            effect,
            ..
        } = action
        else {
            return;
        };
        if *uid != self.name.uid {
            return;
        }
        let server = moment.place.component.clone();
        match effect {
            Effect::Created => {
                let detail = format!("revision {revision}");
                self.hop(2, &server, "store", moment, detail);
            }
            Effect::Bound { node } | Effect::Placed { node } => {
                let placed = matches!(effect, Effect::Placed { .. });
                let step = if placed { 2 } else { 6 };
                self.bound = Some(*revision);
                self.node = Some(node.clone());
                let detail = format!("to {node}, revision {revision}");
                self.hop(step, &server, "store", moment, detail);
            }
            Effect::Updated if self.hops[10].is_some() => {
                self.hop(11, &server, "store", moment, format!("revision {revision}"));
            }
            Effect::Updated => {}
            Effect::Deleting => {
                self.note(moment, format!("its deletion began, revision {revision}"))
            }
            Effect::Deleted => {
                self.note(moment, format!("its object is gone, revision {revision}"))
            }
        }
    }

    /// A reflector heard of the pod: the scheduler's of its creation, its kubelet's of its binding.
    fn heard(&mut self, moment: &Moment, revision: u64) {
        let component = moment.place.component.clone();
        let of = |name: &str| component.starts_with(name);
        if of("scheduler") && revision == self.created.revision {
            self.hop(4, "apiserver", "scheduler", moment, String::new());
        }
        let kubelet = self.node.as_ref().map(|node| format!("{node}.kubelet"));
        if kubelet.is_some_and(|kubelet| of(&kubelet))
            && self.bound.is_some_and(|at| revision >= at)
        {
            let process = process(&moment.place);
            self.hop(8, "apiserver", &process, moment, String::new());
        }
    }

    fn scheduled(&mut self, moment: &Moment, action: &SchedulerAction) {
        match action {
            SchedulerAction::Assumed { uid, node, .. } if *uid == self.name.uid => {
                self.why = None;
                self.hop(
                    5,
                    "scheduler",
                    "apiserver",
                    moment,
                    format!("{node} is chosen"),
                );
            }
            SchedulerAction::Unschedulable { uid, message, .. } if *uid == self.name.uid => {
                self.why = Some(message.clone());
                self.note(moment, format!("no node fits: {message}"));
            }
            SchedulerAction::BindingLost { uid, node, .. } if *uid == self.name.uid => {
                self.note(
                    moment,
                    format!("the answer to its binding to {node} was lost"),
                );
            }
            SchedulerAction::Forgotten { uid, node, .. } if *uid == self.name.uid => {
                self.note(moment, format!("its binding to {node} was refused"));
            }
            _ => {}
        }
    }

    fn lived(&mut self, moment: &Moment, action: &KubeletAction) {
        if action.pod() != Some(&self.name) {
            return;
        }
        let process = process(&moment.place);
        match action {
            KubeletAction::ContainerStarted { container, .. } => {
                self.why = None;
                let detail = format!("container {container} runs");
                self.hop(9, &process, &process, moment, detail);
            }
            KubeletAction::StatusReporting { phase, .. } if phase != "Pending" => {
                self.hop(10, &process, "apiserver", moment, phase.clone());
            }
            KubeletAction::PodRejected { reason, .. }
            | KubeletAction::ContainerFailed { reason, .. }
            | KubeletAction::StepFailed { reason, .. } => {
                self.why = Some(reason.clone());
                self.note(moment, format!("it does not go on: {reason}"));
            }
            KubeletAction::ContainerEnded {
                container,
                exit_code,
                ..
            } => self.note(
                moment,
                format!("container {container} ended with {exit_code}"),
            ),
            KubeletAction::PodStopped { .. } => {
                self.note(moment, "all of it has stopped".to_owned())
            }
            _ => {}
        }
    }

    fn way(self) -> Way {
        let reached = self.hops.iter().rposition(Option::is_some).unwrap_or(0);
        let waits = STEPS.get(reached + 1).map(|what| Waits {
            step: u8::try_from(reached + 1).unwrap_or(u8::MAX),
            what,
            why: self.why,
        });
        Way {
            pod: format!("{}/{}", self.name.namespace, self.name.name),
            uid: self.name.uid,
            hops: self.hops.into_iter().flatten().collect(),
            notes: self.notes,
            waits,
        }
    }
}

/// The process of a machine: a reflector's component says more than that.
fn process(place: &Place) -> String {
    let component: Vec<&str> = place.component.split('.').take(2).collect();
    component.join(".")
}
