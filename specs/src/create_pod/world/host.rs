//! What a kubelet knows of each pod and does about it, and what its host's runtime really has.

use model::machines::kubelet::pod::Phase;

use crate::create_pod::world::PODS;

/// What a kubelet knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kubelet {
    /// Whether its process has listed the runtime and registered the node.
    pub up: bool,
    /// Whether it has listed its pods since.
    pub listed: bool,
    /// Its pods.
    pub work: [Work; PODS],
}

/// A pod as a kubelet has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Work {
    /// What the API has told of it.
    pub known: Known,
    /// Whether it was accepted.
    pub admission: Admission,
    /// What the runtime was asked.
    pub doing: Doing,
    /// The phase that the API has, as this process knows.
    pub told: Phase,
    /// The phase on its way there.
    pub sent: Option<Phase>,
    /// Whether the removal of its object was asked for and not answered.
    pub removing: bool,
    /// Whether that was answered.
    pub removed: bool,
}

/// What the API has told of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// It is bound to this node.
    Bound,
    /// It is being deleted.
    Deleting,
    /// It is no more.
    Gone,
}

/// Whether a pod was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Admission {
    /// Not decided.
    #[default]
    Undecided,
    /// Its room is set aside.
    Admitted,
    /// There is no room.
    Rejected,
}

/// What the runtime was asked and has not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Nothing.
    #[default]
    Nothing,
    /// To start the container.
    Starting,
    /// To stop it.
    Stopping,
}

/// A machine and its runtime, which outlives its kubelet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Host {
    /// Whether it has power.
    pub on: bool,
    /// The container of each pod.
    pub lives: [Life; PODS],
}

/// A container as it truly is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Life {
    /// There is none.
    #[default]
    None,
    /// It runs.
    Running,
    /// It has ended by itself.
    Done,
    /// It was stopped, or lost with the power.
    Killed,
}

impl Life {
    /// Whether it runs.
    pub fn alive(self) -> bool {
        self == Life::Running
    }
}

impl Kubelet {
    /// Whether a pod holds room: it was accepted and has not ended, or it runs.
    pub fn holds_room(&self, pod: usize, host: &Host) -> bool {
        let work = &self.work[pod];
        let alive = host.lives[pod].alive() || work.doing == Doing::Starting;
        let ended = work.told.terminal() || work.removing || work.removed;
        let admitted = work.admission == Admission::Admitted && !ended;
        alive || admitted && work.known != Known::Gone
    }
}
