//! A trace's records with their actions decoded, by the machine that the header names.

use bincode::Decode;
use model::actions::controller::ControllerAction;
use model::actions::kubelet::KubeletAction;
use model::actions::reflector::ReflectorAction;
use model::actions::scheduler::SchedulerAction;
use model::actions::store::StoreAction;
use model::actions::supervisor::SupervisorAction;
use model::actions::transaction::TransactionAction;
use model::actions::watch_cache::WatchCacheAction;
use model::trace::RECORD_LIMIT;

/// What a machine said has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// By the store.
    Store(StoreAction),
    /// By an API server's watch cache.
    WatchCache(WatchCacheAction),
    /// By an API server's write path.
    Transaction(TransactionAction),
    /// By a reflector.
    Reflector(ReflectorAction),
    /// By a scheduler.
    Scheduler(SchedulerAction),
    /// By a kubelet.
    Kubelet(KubeletAction),
    /// By a controller.
    Controller(ControllerAction),
    /// By the supervisor of a machine's processes.
    Supervisor(SupervisorAction),
}

/// An action that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// Nothing is known of such a machine.
    #[error("no machine is called {0}")]
    Machine(String),
    /// The bytes are no action of that machine.
    #[error("no action of a {machine}: {why}")]
    Action {
        /// The machine.
        machine: String,
        /// What is wrong with them.
        why: String,
    },
    /// The record's stamp says that its process has forgotten what it had heard.
    #[error("stamped with revision {stamp}, though revision {heard} had been heard of before")]
    Stamp {
        /// The record's stamp.
        stamp: u64,
        /// The newest stamp before it.
        heard: u64,
    },
}

/// Decodes an action of a machine.
///
/// # Errors
/// If the machine is not known or the bytes are none of its actions: a record that maps to no action rejects a trace.
pub fn decode(machine: &str, bytes: &[u8]) -> Result<Said, Unread> {
    match family(machine) {
        "store" => whole(machine, bytes).map(Said::Store),
        "watch_cache" => whole(machine, bytes).map(Said::WatchCache),
        "transaction" => whole(machine, bytes).map(Said::Transaction),
        "reflector" => whole(machine, bytes).map(Said::Reflector),
        "scheduler" => whole(machine, bytes).map(Said::Scheduler),
        "kubelet" => whole(machine, bytes).map(Said::Kubelet),
        "supervisor" => whole(machine, bytes).map(Said::Supervisor),
        "controller" => whole(machine, bytes).map(Said::Controller),
        _ => Err(Unread::Machine(machine.to_owned())),
    }
}

/// Controllers share the words of the machine around them.
fn family(machine: &str) -> &str {
    match machine {
        "replicaset" | "garbage_collector" | "namespace" | "serviceaccount" | "pod_gc" => {
            "controller"
        }
        other => other,
    }
}

fn whole<A: Decode<()>>(machine: &str, bytes: &[u8]) -> Result<A, Unread> {
    let unread = |why: String| Unread::Action {
        machine: machine.to_owned(),
        why,
    };
    let config = bincode::config::standard().with_limit::<RECORD_LIMIT>();
    let (action, used) =
        bincode::decode_from_slice(bytes, config).map_err(|error| unread(error.to_string()))?;
    match bytes.len() - used {
        0 => Ok(action),
        rest => Err(unread(format!("{rest} bytes too many"))),
    }
}
