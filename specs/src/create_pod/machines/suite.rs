//! The machines that the world is made of.

use model::actions::controller::ControllerAction;
use model::actions::kubelet::KubeletAction;
use model::actions::scheduler::SchedulerAction;
use model::actions::transaction::TransactionAction;
use model::machine::Machine;
use model::machines::controller::{self, Controller};
use model::machines::kubelet::{self, Config, Kubelet};
use model::machines::pod_gc::PodGc;
use model::machines::scheduler::{self, Scheduler};
use model::machines::transaction::{self, Transactions};

use crate::create_pod::machines::objects::{Change, ONE, Thing, Things};
use crate::create_pod::machines::{NODES, node_name};

/// What the machines of the world are. The shipped ones, or one of them with a fault: decorated, so that its state,
/// inputs and outputs are the shipped machine's.
pub trait Suite: Clone + Send + Sync + 'static {
    /// The write path of the API server.
    type Transactions: Machine<
            Durable = (),
            State = transaction::State<Thing, Change>,
            Input = transaction::Input<Thing, Change>,
            Output = transaction::Output<Thing>,
            Timer = transaction::Timer,
            Action = TransactionAction,
        >;
    /// The scheduler.
    type Scheduler: Machine<
            Durable = (),
            State = scheduler::State,
            Input = scheduler::Input,
            Output = scheduler::Output,
            Timer = scheduler::Timer,
            Action = SchedulerAction,
        >;
    /// A kubelet.
    type Kubelet: Machine<
            Durable = (),
            State = kubelet::State,
            Input = kubelet::Input,
            Output = kubelet::Output,
            Timer = kubelet::Timer,
            Action = KubeletAction,
        >;
    /// The collector of pods whose node is gone.
    type PodGc: Machine<
            Durable = (),
            State = controller::State<PodGc>,
            Input = controller::Input<PodGc>,
            Output = controller::Output,
            Timer = controller::Timer,
            Action = ControllerAction,
        >;

    /// The write path.
    fn transactions(&self) -> Self::Transactions;
    /// The scheduler.
    fn scheduler(&self) -> Self::Scheduler;
    /// The kubelet of a node with room for so many pods.
    fn kubelet(&self, node: usize, room: u32) -> Self::Kubelet;
    /// The collector.
    fn pod_gc(&self) -> Self::PodGc;
}

/// The machines as they ship.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shipped;

impl Suite for Shipped {
    type Transactions = Transactions<Things>;
    type Scheduler = Scheduler;
    type Kubelet = Kubelet;
    type PodGc = Controller<PodGc>;

    fn transactions(&self) -> Transactions<Things> {
        Transactions {
            strategy: Things,
            ttl_seconds: 3600,
        }
    }

    fn scheduler(&self) -> Scheduler {
        Scheduler::default()
    }

    fn kubelet(&self, node: usize, room: u32) -> Kubelet {
        Kubelet {
            config: Config {
                node_name: node_name(node),
                allocatable: kubelet::pod::Requests {
                    cpu_milli: ONE.cpu_milli * i64::from(room),
                    memory_bytes: 0,
                },
                // The sum of what is asked for decides, not the number of pods.
                max_pods: 110,
                parallel_starts: NODES as u32 + 8,
                ..Config::default()
            },
        }
    }

    fn pod_gc(&self) -> Controller<PodGc> {
        Controller::new(PodGc)
    }
}
