//! Faults of the machines on a pod's path. Each is caught by the property of its row, and by no walk without faults.

use std::collections::BTreeMap;

use model::machines::controller::{self, Answer, Controller};
use model::machines::kubelet::{self, Kubelet, Operation};
use model::machines::pod_gc::PodGc;
use model::machines::scheduler::{self, Scheduler};
use model::machines::transaction::{self, Transactions, WriteVerb};
use model::messages::api::Verb;
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::Status;
use specs::checked::Checked;
use specs::create_pod::machines::{Change, MachinesWorld, Shipped, Suite, Thing, Things};
use specs::create_pod::world::{Faults, Planned};
use specs::histories::{Plan, history};

use super::altered::{AsItShips, Fault, Faulty, fault};
use super::matrix::{Kill, Row, kill};

fault! {
    /// kubernetes 59848: a kubelet that was started again believes a list from an API server that is behind, and runs
    /// a pod that it had ended.
    BelievesAStaleList of Kubelet {
        fn before(&self, state: &mut kubelet::State, input: &kubelet::Input) {
            if let kubelet::Input::PodsListed { .. } = input {
                state.floor = 0;
            }
        }
    }
}

fault! {
    /// A kubelet that was started again knows nothing of what runs, and starts it a second time.
    AdoptsNothing of Kubelet {
        fn input(&self, _: &kubelet::State, input: kubelet::Input) -> Option<kubelet::Input> {
            Some(match input {
                kubelet::Input::RuntimeListed { .. } => kubelet::Input::RuntimeListed {
                    sandboxes: Vec::new(),
                    containers: Vec::new(),
                },
                input => input,
            })
        }
    }
}

fault! {
    /// A deletion is seen and forgotten: containers are started again in a pod that is being deleted.
    StartsWhatIsDeleted of Kubelet {
        fn after(&self, state: &mut kubelet::State) {
            for pod in state.pods.values_mut().filter_map(|record| record.pod.as_mut()) {
                pod.deleting = false;
            }
        }
    }
}

fault! {
    /// The object of a pod is removed before its containers have ended.
    RemovesBeforeItHasEnded of Kubelet {
        fn output(&self, _: &kubelet::State, output: kubelet::Output) -> Option<kubelet::Output> {
            Some(match output {
                kubelet::Output::Run { pod, operation: Operation::StopContainers { .. } } => {
                    kubelet::Output::DeletePod(pod)
                }
                output => output,
            })
        }
    }
}

fault! {
    /// kubernetes 76772 without the second look that 11161 asks for: schedulers race for the last room of a node, and
    /// its kubelet takes both pods.
    DoesNotCheckAgain of Kubelet {
        fn before(&self, state: &mut kubelet::State, _: &kubelet::Input) {
            for record in state.pods.values_mut() {
                record.requests = kubelet::pod::Requests::default();
            }
        }
    }
}

fault! {
    /// A pod is bound without comparing the revision that the decision was made over.
    BindsWithoutComparing of Transactions<Things> {
        fn output(
            &self,
            _: &transaction::State<Thing, Change>,
            mut output: transaction::Output<Thing>,
        ) -> Option<transaction::Output<Thing>> {
            if let transaction::Output::Ask { transaction, .. } = &mut output {
                transaction.compares.clear();
            }
            Some(output)
        }
    }
}

fault! {
    /// A delete is carried out at once, whatever grace was asked for: the API forgets pods that run.
    IgnoresGrace of Transactions<Things> {
        fn input(
            &self,
            _: &transaction::State<Thing, Change>,
            mut input: transaction::Input<Thing, Change>,
        ) -> Option<transaction::Input<Thing, Change>> {
            if let transaction::Input::Submit { write, .. } = &mut input
                && let WriteVerb::Delete(options) = &mut write.verb
            {
                options.grace_period_seconds = Some(0);
            }
            Some(input)
        }
    }
}

fault! {
    /// A binding names no UID: a decision about a pod binds its successor of the same name.
    BindsWithoutAUid of Scheduler {
        fn output(&self, _: &scheduler::State, mut output: scheduler::Output) -> Option<scheduler::Output> {
            if let scheduler::Output::Bind { ask, .. } = &mut output {
                let body = String::from_utf8_lossy(&ask.body).replace("\"uid\"", "\"was\"");
                ask.body = Bytes::from(body.as_str());
            }
            Some(output)
        }
    }
}

fault! {
    /// kubernetes 22667, as its review asks: the collector trusts its cache, which may be behind a node that is back.
    TrustsItsCache of Controller<PodGc> {
        fn input(
            &self,
            _: &controller::State<PodGc>,
            input: controller::Input<PodGc>,
        ) -> Option<controller::Input<PodGc>> {
            Some(match input {
                controller::Input::Answered(key, index, Answer::Done(_, objects))
                    if objects.is_empty() =>
                {
                    let status = Status::not_found(&ObjectKey::new(kinds::nodes(), "", &key.name));
                    controller::Input::Answered(key, index, Answer::Failed(status))
                }
                input => input,
            })
        }
    }
}

fault! {
    /// The collector looks once, as upstream's does: between the look and the removal the node registers again.
    LooksOnce of Controller<PodGc> {
        fn output(
            &self,
            _: &controller::State<PodGc>,
            mut output: controller::Output,
        ) -> Option<controller::Output> {
            if let controller::Output::Ask(_, _, ask) = &mut output
                && let Verb::Delete(options) = &mut ask.request.verb
            {
                options.grace_period_seconds = Some(0);
            }
            Some(output)
        }
    }
}

/// The shipped machines, one of them with a fault.
#[derive(Clone)]
struct With<T, S, K, G> {
    transactions: T,
    scheduler: S,
    kubelet: K,
    pod_gc: G,
}

impl<T, S, K, G> Suite for With<T, S, K, G>
where
    T: Fault<Transactions<Things>> + Send + Sync + 'static,
    S: Fault<Scheduler> + Send + Sync + 'static,
    K: Fault<Kubelet> + Send + Sync + 'static,
    G: Fault<Controller<PodGc>> + Send + Sync + 'static,
{
    type Transactions = Faulty<Transactions<Things>, T>;
    type Scheduler = Faulty<Scheduler, S>;
    type Kubelet = Faulty<Kubelet, K>;
    type PodGc = Faulty<Controller<PodGc>, G>;

    fn transactions(&self) -> Self::Transactions {
        let (machine, fault) = (Shipped.transactions(), self.transactions.clone());
        Faulty { machine, fault }
    }

    fn scheduler(&self) -> Self::Scheduler {
        let (machine, fault) = (Shipped.scheduler(), self.scheduler.clone());
        Faulty { machine, fault }
    }

    fn kubelet(&self, node: usize, room: u32) -> Self::Kubelet {
        let (machine, fault) = (Shipped.kubelet(node, room), self.kubelet.clone());
        Faulty { machine, fault }
    }

    fn pod_gc(&self) -> Self::PodGc {
        let (machine, fault) = (Shipped.pod_gc(), self.pod_gc.clone());
        Faulty { machine, fault }
    }
}

/// A hunt that looks at more states has failed.
const MOST: usize = 200_000;

const POD: Planned = Planned {
    name: "a",
    restarts: true,
};
const OTHER: Planned = Planned {
    name: "b",
    restarts: true,
};

/// A pod, a node, a scheduler, and nothing that goes wrong.
fn quiet<M>(machines: M) -> MachinesWorld<M> {
    MachinesWorld {
        machines,
        plan: vec![POD],
        replicas: 0,
        settled: false,
        prompt: false,
        revisions: true,
        nodes: 1,
        room: 1,
        schedulers: 1,
        deletable: 0,
        removable_nodes: false,
        cache_lags: false,
        faults: Faults::default(),
    }
}

/// How much of the world a bug needs to show.
type Needs<M> = fn(&mut MachinesWorld<M>);

fn row<M: Suite>(bug: &'static str, machines: M, property: &'static str, needs: Needs<M>) -> Row {
    Row {
        specification: "create-pod",
        bug,
        property,
        kill: Box::new(move || caught(machines.clone(), property, needs)),
    }
}

fn caught<M: Suite>(machines: M, property: &'static str, needs: Needs<M>) -> Option<Kill> {
    let calm = Checked::new(quiet(machines.clone()));
    let plan = Plan::new(0, 100);
    for seed in 0..plan.histories {
        if let Err(violation) = history(&calm, seed, &plan, &mut BTreeMap::new()) {
            panic!("seed {seed}: not a bug that hides: {violation:#?}");
        }
    }
    let mut world = quiet(machines);
    needs(&mut world);
    kill(world, property, MOST)
}

fn transactions<T>(transactions: T) -> With<T, AsItShips, AsItShips, AsItShips> {
    let (scheduler, kubelet, pod_gc) = (AsItShips, AsItShips, AsItShips);
    With {
        transactions,
        scheduler,
        kubelet,
        pod_gc,
    }
}

fn kubelet<K>(kubelet: K) -> With<AsItShips, AsItShips, K, AsItShips> {
    let (transactions, scheduler, pod_gc) = (AsItShips, AsItShips, AsItShips);
    With {
        transactions,
        scheduler,
        kubelet,
        pod_gc,
    }
}

fn scheduler<S>(scheduler: S) -> With<AsItShips, S, AsItShips, AsItShips> {
    let (transactions, kubelet, pod_gc) = (AsItShips, AsItShips, AsItShips);
    With {
        transactions,
        scheduler,
        kubelet,
        pod_gc,
    }
}

fn pod_gc<G>(pod_gc: G) -> With<AsItShips, AsItShips, AsItShips, G> {
    let (transactions, scheduler, kubelet) = (AsItShips, AsItShips, AsItShips);
    With {
        transactions,
        scheduler,
        kubelet,
        pod_gc,
    }
}

/// One crash of a kubelet.
fn crash<M>(world: &mut MachinesWorld<M>) {
    world.faults.kubelet_crashes = 1;
    world.faults.any = 1;
}

/// A machine that loses its power, and whose node may be removed.
fn loss<M>(world: &mut MachinesWorld<M>) {
    world.faults.losses = 1;
    world.faults.any = 1;
    world.removable_nodes = true;
}

const REFINES: &str = "refines the create-pod specification";
const BOUND_ONCE: &str = "a pod is bound once";
const AT_MOST_ONE: &str = "never two live containers of one name";
const NO_OVERCOMMIT: &str = "admitted pods never overcommit a node";
const REMOVED: &str = "what is removed runs nowhere";

/// The rows of create-pod, at most one and node failure.
pub fn rows() -> Vec<Row> {
    vec![
        row(
            "a binding that compares no revision",
            transactions(BindsWithoutComparing),
            BOUND_ONCE,
            |world| {
                world.schedulers = 2;
                world.nodes = 2;
                world.cache_lags = true;
            },
        ),
        row(
            "a binding without a UID",
            scheduler(BindsWithoutAUid),
            REFINES,
            |world| {
                world.plan = vec![POD, POD];
                world.deletable = 1;
            },
        ),
        row(
            "kubernetes 76772, 11161",
            kubelet(DoesNotCheckAgain),
            NO_OVERCOMMIT,
            |world| {
                world.plan = vec![POD, OTHER];
                world.schedulers = 2;
            },
        ),
        row(
            "a deletion forgotten",
            kubelet(StartsWhatIsDeleted),
            REFINES,
            |world| world.deletable = 1,
        ),
        row(
            "kubernetes 59848 in a kubelet",
            kubelet(BelievesAStaleList),
            REMOVED,
            |world| {
                crash(world);
                world.deletable = 1;
                world.cache_lags = true;
            },
        ),
        row(
            "a kubelet that adopts nothing",
            kubelet(AdoptsNothing),
            AT_MOST_ONE,
            crash,
        ),
        row(
            "a removal before the end",
            kubelet(RemovesBeforeItHasEnded),
            REMOVED,
            |world| world.deletable = 1,
        ),
        row(
            "a deletion without grace",
            transactions(IgnoresGrace),
            REMOVED,
            |world| world.deletable = 1,
        ),
        row("kubernetes 22667", pod_gc(TrustsItsCache), REMOVED, loss),
        row(
            "a collector that looks once",
            pod_gc(LooksOnce),
            REMOVED,
            loss,
        ),
    ]
}
