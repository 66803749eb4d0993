//! The machines by the names that traces have for them.

use apiserver::backend::Item;
use apiserver::strategy::Kinds;
use model::machines::controller::Controller;
use model::machines::garbage_collector::GarbageCollector;
use model::machines::kubelet::Kubelet;
use model::machines::namespace::Namespaces;
use model::machines::pod_gc::PodGc;
use model::machines::reflector::Reflector;
use model::machines::replicaset::ReplicaSets;
use model::machines::scheduler::Scheduler;
use model::machines::serviceaccount::ServiceAccounts;
use model::machines::store::Store;
use model::machines::supervisor::Supervisor;
use model::machines::transaction::Transactions;
use model::machines::watch_cache::WatchCache;
use model::objects::bytes::Bytes;
use model::trace::Header;

use super::file::Frames;
use super::run::run;
use super::{ReplayError, Replayed};
use crate::trace::Trace;

/// Runs the machine that the header names.
pub(super) fn again(
    frames: Frames<'_>,
    header: Header,
    trace: Option<Trace>,
) -> Result<Replayed, ReplayError> {
    let run = match header.machine.as_str() {
        "store" => run::<Store<Bytes>>,
        "watch_cache" => run::<WatchCache<Item>>,
        "transaction" => run::<Transactions<Kinds>>,
        "reflector" => run::<Reflector<Bytes>>,
        "scheduler" => run::<Scheduler>,
        "kubelet" => run::<Kubelet>,
        "supervisor" => run::<Supervisor>,
        "replicaset" => run::<Controller<ReplicaSets>>,
        "garbage_collector" => run::<Controller<GarbageCollector>>,
        "namespace" => run::<Controller<Namespaces>>,
        "serviceaccount" => run::<Controller<ServiceAccounts>>,
        "pod_gc" => run::<Controller<PodGc>>,
        _ => {
            return Err(ReplayError::Machine {
                path: frames.path.to_owned(),
                machine: header.machine,
            });
        }
    };
    run(frames, header, trace)
}
