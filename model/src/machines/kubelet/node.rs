//! The node's own object: registration, conditions, lease.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::{Serialize, Serializer};

use crate::actions::kubelet::KubeletAction;
use crate::machine::{Now, Out, Step};
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::input::{Measure, Timer, Written};
use crate::machines::kubelet::output::Output;
use crate::machines::kubelet::state::State;
use crate::rules::{backoff, time};

/// How often the node is measured (`nodeStatusUpdateFrequency`), in milliseconds.
pub const MEASURE_MS: u64 = 10_000;
/// How often the status is written though nothing has changed (`nodeStatusReportFrequency`), in milliseconds.
pub const REPORT_MS: u64 = 300_000;
/// How often the lease is renewed (a quarter of its duration), in milliseconds.
pub const LEASE_MS: u64 = 10_000;
/// `leaseDurationSeconds` (`nodeLeaseDurationSeconds`).
pub const LEASE_DURATION_S: u32 = 40;
/// How long after the runtime did not answer it is asked again, in milliseconds.
pub const RUNTIME_MS: u64 = 1_000;
/// First and longest wait before a failed write about the node is tried again, in milliseconds
/// (kubernetes `pkg/kubelet/kubelet_node_status.go`, `registerWithAPIServer`).
pub const RETRY_MS: (u64, u64) = (100, 7_000);
/// Less memory than this is pressure (`memory.available<100Mi`), in bytes.
pub const MEMORY_PRESSURE_BYTES: u64 = 100 << 20;
/// Less of the file system than this is pressure (`nodefs.available<10%`), in thousandths.
pub const DISK_PRESSURE_PERMILLE: u16 = 100;
/// Fewer process ids than this is pressure, in thousandths.
pub const PID_PRESSURE_PERMILLE: u16 = 50;

/// What is known of the node's own object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeState {
    /// How far the registration is.
    pub registration: Registration,
    /// Why the runtime does not answer; `None` before it was first asked.
    pub runtime: Option<Result<(), String>>,
    /// The last measure.
    pub measure: Option<Measure>,
    /// Since when each condition is as it is.
    pub since: BTreeMap<&'static str, (bool, Now)>,
    /// The conditions sent last, without times.
    pub sent: Option<Vec<(&'static str, bool, String)>>,
    /// Whether a status write is outstanding.
    pub writing: bool,
    /// Whether a lease write is outstanding.
    pub renewing: bool,
    /// The last wait after a failure of registration or lease, in milliseconds.
    pub retry_ms: Option<u64>,
}

/// How far the registration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Registration {
    /// Not asked for, or waiting to be tried again.
    #[default]
    Absent,
    /// Asked for.
    Asked,
    /// Done.
    Done,
}

/// `NodeCondition` of `core/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeCondition {
    /// `Ready`, `MemoryPressure`, `DiskPressure`, `PIDPressure`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    #[serde(serialize_with = "truth")]
    pub status: bool,
    /// When it was last looked at.
    #[serde(serialize_with = "stamp")]
    pub last_heartbeat_time: Now,
    /// When it last changed.
    #[serde(serialize_with = "stamp")]
    pub last_transition_time: Now,
    /// In one word.
    pub reason: String,
    /// In words.
    pub message: String,
}

fn truth<S: Serializer>(status: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *status { "True" } else { "False" })
}

fn stamp<S: Serializer>(now: &Now, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time::seconds(*now))
}

type Took = Step<KubeletAction>;

/// The registration is asked for, unless it is under way or done.
pub fn register(state: &mut State, now: Now, out: &mut Out<Kubelet>) -> bool {
    if state.node.registration != Registration::Absent {
        return false;
    }
    state.node.registration = Registration::Asked;
    let conditions = conditions(&mut state.node, now);
    out.push(Output::RegisterNode(conditions));
    true
}

/// The node object is written: follow its pods, keep its lease.
pub fn registered(state: &mut State, now: Now, revision: u64, out: &mut Out<Kubelet>) -> Took {
    if state.node.registration != Registration::Asked {
        return Step::Refused("no registration was asked for");
    }
    state.node.registration = Registration::Done;
    state.node.retry_ms = None;
    let first = !state.pods_listed && state.floor == 0;
    state.floor = state.floor.max(revision);
    if first {
        out.push(Output::FollowPods {
            not_before: revision,
        });
    }
    if !state.node.renewing {
        state.node.renewing = true;
        out.push(Output::RenewLease);
    }
    out.timer(Timer::NodeReport, REPORT_MS);
    out.timer(Timer::Measure, MEASURE_MS);
    let mut actions = vec![KubeletAction::NodeRegistered { revision }];
    report(state, now, false, out, &mut actions);
    Step::Moved(actions)
}

/// The registration failed: later again.
pub fn registration_failed(state: &mut State, out: &mut Out<Kubelet>) -> Took {
    if state.node.registration != Registration::Asked {
        return Step::Refused("no registration was asked for");
    }
    state.node.registration = Registration::Absent;
    let wait = backoff::next(state.node.retry_ms, RETRY_MS.0, RETRY_MS.1);
    state.node.retry_ms = Some(wait);
    out.timer(Timer::Register, wait);
    Step::Moved(Vec::new())
}

/// The lease is renewed or not: again after a while, sooner after a failure.
pub fn lease_written(state: &mut State, written: Written, out: &mut Out<Kubelet>) -> Took {
    if !state.node.renewing {
        return Step::Refused("no renewal of the lease was asked for");
    }
    state.node.renewing = false;
    if written == Written::Done {
        state.node.retry_ms = None;
        out.timer(Timer::Lease, LEASE_MS);
        return Step::moved(KubeletAction::LeaseRenewed);
    }
    let wait = backoff::next(state.node.retry_ms, RETRY_MS.0, RETRY_MS.1);
    state.node.retry_ms = Some(wait);
    out.timer(Timer::Lease, wait);
    Step::Moved(Vec::new())
}

/// A status write has ended. A node object that was removed is made again.
pub fn node_written(state: &mut State, now: Now, written: Written, out: &mut Out<Kubelet>) -> Took {
    if !state.node.writing {
        return Step::Refused("no write of the node's status was asked for");
    }
    state.node.writing = false;
    let mut actions = Vec::new();
    match written {
        Written::Done => report(state, now, false, out, &mut actions),
        Written::Absent => {
            state.node.registration = Registration::Absent;
            register(state, now, out);
        }
        // The next measure tries again.
        Written::Failed(_) => state.node.sent = None,
    }
    Step::Moved(actions)
}

/// A measure was taken.
pub fn measured(state: &mut State, now: Now, measure: Measure, out: &mut Out<Kubelet>) -> Took {
    state.node.measure = Some(measure);
    let mut actions = Vec::new();
    report(state, now, false, out, &mut actions);
    Step::Moved(actions)
}

/// Writes the node's status if it has changed, or if `anyway`.
pub fn report(
    state: &mut State,
    now: Now,
    anyway: bool,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    if state.node.registration != Registration::Done || state.node.writing {
        return;
    }
    let present = present(&state.node);
    if !anyway && state.node.sent.as_ref() == Some(&present) {
        return;
    }
    let ready = present
        .iter()
        .any(|(kind, holds, _)| *kind == READY && *holds);
    let conditions = conditions(&mut state.node, now);
    state.node.writing = true;
    out.push(Output::WriteNodeStatus(conditions));
    out.timer(Timer::NodeReport, REPORT_MS);
    actions.push(KubeletAction::NodeReported { ready });
}

/// A timer of the node has fired.
pub fn fired(state: &mut State, now: Now, timer: &Timer, out: &mut Out<Kubelet>) -> Took {
    let mut actions = Vec::new();
    match timer {
        Timer::Register => {
            if !register(state, now, out) {
                return Step::Nothing;
            }
        }
        Timer::NodeReport => report(state, now, true, out, &mut actions),
        Timer::Measure => {
            out.push(Output::Measure);
            out.timer(Timer::Measure, MEASURE_MS);
        }
        Timer::Lease => {
            if state.node.renewing {
                return Step::Nothing;
            }
            state.node.renewing = true;
            out.push(Output::RenewLease);
        }
        Timer::Runtime => state.relist = true,
        Timer::Pod(_) | Timer::Container(_, _) | Timer::Status(_) | Timer::Deadline(_) => {
            return Step::Nothing;
        }
    }
    Step::Moved(actions)
}

const READY: &str = "Ready";

/// The conditions as they are, with the word that goes with each (kubernetes `pkg/kubelet/nodestatus/setters.go`).
fn present(node: &NodeState) -> Vec<(&'static str, bool, String)> {
    let short = |under: fn(Measure) -> bool| node.measure.is_some_and(under);
    let memory = short(|measure| measure.memory_available_bytes < MEMORY_PRESSURE_BYTES);
    let disk = short(|measure| measure.disk_free_permille < DISK_PRESSURE_PERMILLE);
    let pids = short(|measure| measure.pids_free_permille < PID_PRESSURE_PERMILLE);
    let (ready, why) = match &node.runtime {
        Some(Ok(())) => (true, "kubelet is posting ready status".to_owned()),
        Some(Err(why)) => (false, format!("container runtime is down: {why}")),
        None => (
            false,
            "container runtime status check may not have completed yet".to_owned(),
        ),
    };
    vec![
        ("MemoryPressure", memory, String::new()),
        ("DiskPressure", disk, String::new()),
        ("PIDPressure", pids, String::new()),
        (READY, ready, why),
    ]
}

fn conditions(node: &mut NodeState, now: Now) -> Vec<NodeCondition> {
    let present = present(node);
    let conditions = present
        .iter()
        .map(|(kind, holds, message)| {
            let since = node.since.entry(*kind).or_insert((*holds, now));
            if since.0 != *holds {
                *since = (*holds, now);
            }
            let (reason, message) = words(kind, *holds, message);
            NodeCondition {
                kind: (*kind).to_owned(),
                status: *holds,
                last_heartbeat_time: now,
                last_transition_time: since.1,
                reason: reason.to_owned(),
                message,
            }
        })
        .collect();
    node.sent = Some(present);
    conditions
}

fn words(kind: &str, holds: bool, message: &str) -> (&'static str, String) {
    let (reason, text) = match (kind, holds) {
        ("MemoryPressure", false) => (
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        ("MemoryPressure", true) => (
            "KubeletHasInsufficientMemory",
            "kubelet has insufficient memory available",
        ),
        ("DiskPressure", false) => ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("DiskPressure", true) => ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("PIDPressure", false) => (
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        ("PIDPressure", true) => (
            "KubeletHasInsufficientPID",
            "kubelet has insufficient PID available",
        ),
        (_, true) => ("KubeletReady", message),
        (_, false) => ("KubeletNotReady", message),
    };
    (reason, text.to_owned())
}
