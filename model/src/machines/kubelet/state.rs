//! What a kubelet knows.

use std::collections::{BTreeMap, BTreeSet};

use crate::actions::kubelet::PodName;
use crate::machine::Now;
use crate::machines::kubelet::input::ContainerReport;
use crate::machines::kubelet::node::NodeState;
use crate::machines::kubelet::output::Operation;
use crate::machines::kubelet::pod::{Phase, Pod, Requests, RestartPolicy};
use crate::machines::kubelet::status::PodStatus;

/// The state of the [kubelet](super::Kubelet). All of it is rebuilt after a crash: from the API and from the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The node's own object.
    pub node: NodeState,
    /// Whether the runtime has told what there is; nothing is started before.
    pub runtime_listed: bool,
    /// Whether the API has told what there should be; nothing is started or removed before.
    pub pods_listed: bool,
    /// The newest revision seen. A list older than this is refused: it may tell of pods that have ended here.
    pub floor: u64,
    /// Whether the whole node is being stopped.
    pub stopping: bool,
    /// Whether that is done and said.
    pub stopped: bool,
    /// Whether the runtime has to be listed again once no operation is under way.
    pub relist: bool,
    /// Whether that list has been asked for.
    pub relisting: bool,
    /// Pods (UIDs) that wait for others: for their name, for room, for a place among those that start.
    pub held: BTreeSet<String>,
    /// Every pod of which the API or the runtime has something, by UID.
    pub pods: BTreeMap<String, Record>,
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its name.
    pub name: PodName,
    /// What the API has; `None` for an orphan and for a pod that was removed by force.
    pub pod: Option<Pod>,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_s: u64,
    /// What is set aside for it.
    pub requests: Requests,
    /// Whether it was accepted.
    pub admission: Admission,
    /// The phase reported last; it only goes forward.
    pub phase: Phase,
    /// The phase it will end in, once everything in it has ended for good.
    pub finished: Option<Phase>,
    /// Whether it had ended before this kubelet first saw it: its status is left as it is.
    pub inherited: bool,
    /// When a kubelet first saw it, RFC 3339.
    pub start_time: Option<String>,
    /// When it will have been active for too long, if a timer runs for that.
    pub deadline: Option<Now>,
    /// Whether it was.
    pub overdue: bool,
    /// Whether its volumes are in place.
    pub volumes: bool,
    /// Whether there may be directories of it.
    pub directories: bool,
    /// Its newest sandbox.
    pub sandbox: Option<Sandbox>,
    /// Which sandbox comes next.
    pub next_sandbox: u32,
    /// Older sandboxes, to be removed.
    pub stale_sandboxes: BTreeSet<String>,
    /// Its containers by name.
    pub containers: BTreeMap<String, Instance>,
    /// Dead containers that nobody asks for, to be removed.
    pub garbage: BTreeSet<String>,
    /// The operation under way.
    pub operation: Option<Operation>,
    /// Waits before failed steps are tried again.
    pub retry: Retry,
    /// The conditions it had: true or not, since when.
    pub conditions: BTreeMap<&'static str, (bool, Now)>,
    /// What the API server was told.
    pub reporting: Reporting,
    /// How far the removal of its object is.
    pub removal: Removal,
    /// Whether something was done to it since the runtime was last asked to list: that list says nothing about it.
    pub unsure: bool,
}

/// Whether a pod was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Admission {
    /// Not decided: it waits for pods that are being stopped.
    Undecided,
    /// Its requests are set aside.
    Admitted,
    /// It has failed; why, in a word and for people.
    Rejected(String, String),
}

/// A sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sandbox {
    /// Its identity.
    pub id: String,
    /// Which of the pod, from 0.
    pub attempt: u32,
    /// Whether containers can run in it.
    pub ready: bool,
    /// The pod's addresses.
    pub ips: Vec<String>,
}

/// A container of a pod: its present instance and what is remembered of former ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Instance {
    /// How many instances were made, or asked for.
    pub made: u32,
    /// The present instance.
    pub life: Life,
    /// How the instance before it ended.
    pub last: Option<Ended>,
    /// Why it waits.
    pub trouble: Option<Trouble>,
    /// Whether it waits for its timer.
    pub waiting: bool,
    /// The wait that applies when it ends next, in milliseconds.
    pub crash_ms: Option<u64>,
    /// The wait after the last failure to get its image or make it, in milliseconds.
    pub setup_ms: Option<u64>,
    /// Whether its image was seen to for the next start.
    pub image_ready: bool,
    /// The image that the present instance was started with, as far as this kubelet knows.
    pub image: String,
    /// The image's id.
    pub image_id: String,
}

/// Where an instance is in its life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Life {
    /// Not made.
    #[default]
    New,
    /// Made, not started, and nobody is about to: left by a kubelet that died in between.
    Made(String),
    /// Runs.
    Running {
        /// Its identity.
        id: String,
        /// Since when.
        started: Now,
    },
    /// Has ended.
    Ended(Ended),
}

/// How an instance ended (`ContainerStateTerminated`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ended {
    /// Its identity.
    pub id: String,
    /// Exit code.
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, ….
    pub reason: String,
    /// For people.
    pub message: String,
    /// When it was started.
    pub started: Now,
    /// When it ended.
    pub finished: Now,
}

/// Why a container waits (`ContainerStateWaiting`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trouble {
    /// In a word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// The waits of a pod as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Retry {
    /// The last wait in milliseconds.
    pub after_ms: Option<u64>,
    /// Whether it is going on.
    pub waiting: bool,
}

/// What the API server was told of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reporting {
    /// The status sent last.
    pub sent: Option<PodStatus>,
    /// Whether its answer is outstanding.
    pub in_flight: bool,
    /// The wait after failures.
    pub retry: Retry,
    /// Whether the object is gone or another one has its name: nothing is reported any more.
    pub absent: bool,
}

/// How far the removal of a pod's object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Removal {
    /// Not asked for.
    #[default]
    None,
    /// Asked for.
    Asked,
    /// Taken; the informer has still to tell.
    Done,
}

/// Why nothing of a pod may be started, the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// It is not in the API.
    Gone,
    /// Its graceful deletion was asked for.
    Deleting,
    /// The whole node stops.
    Stopping,
    /// It has ended, or was refused.
    Finished,
}

impl Record {
    /// A pod of which nothing is known but its name.
    pub fn new(name: PodName) -> Self {
        Record {
            name,
            pod: None,
            grace_s: 0,
            requests: Requests::default(),
            admission: Admission::Undecided,
            phase: Phase::Pending,
            finished: None,
            inherited: false,
            start_time: None,
            deadline: None,
            overdue: false,
            volumes: false,
            directories: true,
            sandbox: None,
            next_sandbox: 0,
            stale_sandboxes: BTreeSet::new(),
            containers: BTreeMap::new(),
            garbage: BTreeSet::new(),
            operation: None,
            retry: Retry::default(),
            conditions: BTreeMap::new(),
            reporting: Reporting::default(),
            removal: Removal::None,
            unsure: false,
        }
    }

    /// Why nothing of it may be started, if so.
    pub fn ending(&self, stopping: bool) -> Option<Ending> {
        let Some(pod) = &self.pod else {
            // A node that stops before the API could tell its pods keeps their directories.
            return Some(if stopping {
                Ending::Stopping
            } else {
                Ending::Gone
            });
        };
        if pod.deleting {
            return Some(Ending::Deleting);
        }
        if stopping {
            return Some(Ending::Stopping);
        }
        let over = self.finished.is_some() || matches!(self.admission, Admission::Rejected(_, _));
        over.then_some(Ending::Finished)
    }

    /// Whether a container of it may be alive.
    pub fn may_be_alive(&self) -> bool {
        let starting = matches!(self.operation, Some(Operation::StartContainer { .. }));
        starting || self.containers.values().any(Instance::alive)
    }

    /// Whether the runtime has nothing of it.
    pub fn clean(&self) -> bool {
        self.operation.is_none()
            && self.sandbox.is_none()
            && self.stale_sandboxes.is_empty()
            && !self.may_be_alive()
    }

    /// Whether its requests are taken: it was accepted and has not ended, or something of it is still here.
    pub fn holds_resources(&self) -> bool {
        match (&self.pod, &self.admission) {
            (None, _) => self.may_be_alive(),
            (Some(_), Admission::Rejected(_, _)) => false,
            (Some(_), Admission::Undecided) => self.may_be_alive(),
            (Some(_), Admission::Admitted) => {
                self.may_be_alive() || (self.finished.is_none() && self.removal == Removal::None)
            }
        }
    }

    /// Whether a container that has ended with this code starts again.
    pub fn restarts(&self, container: &str, exit_code: i32) -> bool {
        let Some(pod) = &self.pod else {
            return false;
        };
        match pod.container(container) {
            None => false,
            Some(found) if found.sidecar => true,
            Some(_) if pod.is_init(container) => {
                exit_code != 0 && pod.restart != RestartPolicy::Never
            }
            Some(_) => match pod.restart {
                RestartPolicy::Always => true,
                RestartPolicy::OnFailure => exit_code != 0,
                RestartPolicy::Never => false,
            },
        }
    }
}

impl Instance {
    /// Whether its process may be alive.
    pub fn alive(&self) -> bool {
        matches!(self.life, Life::Running { .. } | Life::Made(_))
    }

    /// The present instance's end, if it has ended.
    pub fn ended(&self) -> Option<&Ended> {
        match &self.life {
            Life::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    /// Whether a reported end is the one that is known. One that was known before the identity of its container gets it.
    pub fn knows_the_end_of(&mut self, report: &ContainerReport) -> bool {
        let Life::Ended(ended) = &mut self.life else {
            return false;
        };
        if ended.id.is_empty() && self.made == report.attempt.saturating_add(1) {
            ended.id.clone_from(&report.id);
        }
        ended.id == report.id
    }

    /// The present instance's identity.
    pub fn id(&self) -> Option<&str> {
        match &self.life {
            Life::New => None,
            Life::Made(id) | Life::Running { id, .. } => Some(id),
            Life::Ended(ended) => Some(&ended.id),
        }
    }
}
