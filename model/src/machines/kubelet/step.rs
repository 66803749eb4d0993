//! One input at a time; afterwards whatever has become possible is asked for.

use crate::actions::kubelet::KubeletAction;
use crate::machine::{Machine, Now, Out, Step};
use crate::machines::kubelet::node::{self, NodeState, Registration};
use crate::machines::kubelet::{
    Input, Kubelet, Output, State, Timer, completion, deadline, life, plan, sources, writes,
};

impl Machine for Kubelet {
    /// Nothing: the API and the runtime tell what there is.
    type Durable = ();
    type State = State;
    type Input = Input;
    type Output = Output;
    type Timer = Timer;
    type Action = KubeletAction;

    fn start(&self, _found: Option<()>, _now: Now, out: &mut Out<Self>) -> State {
        out.push(Output::ListRuntime);
        out.push(Output::Measure);
        State {
            node: NodeState::default(),
            runtime_listed: false,
            pods_listed: false,
            floor: 0,
            stopping: false,
            stopped: false,
            relist: false,
            relisting: true,
            held: Default::default(),
            pods: Default::default(),
        }
    }

    fn step(
        &self,
        state: &mut State,
        now: Now,
        input: Input,
        out: &mut Out<Self>,
    ) -> Step<KubeletAction> {
        let about = plan::about(&input);
        let step = self.take(state, now, input, out);
        let Step::Moved(mut actions) = step else {
            return step;
        };
        plan::settle(self, state, now, about, out, &mut actions);
        Step::Moved(actions)
    }

    fn fired(&self, timer: Timer) -> Input {
        Input::Fired(timer)
    }
}

impl Kubelet {
    fn take(
        &self,
        state: &mut State,
        now: Now,
        input: Input,
        out: &mut Out<Self>,
    ) -> Step<KubeletAction> {
        match input {
            // Step 9, the other way round: the runtime tells what it has.
            Input::RuntimeListed {
                sandboxes,
                containers,
            } => life::listed(self, state, now, sandboxes, containers, out),
            Input::RuntimeFailed(why) => runtime_failed(state, now, why, out),
            Input::EventsLost => {
                if state.relist {
                    return Step::Nothing;
                }
                state.relist = true;
                Step::Moved(Vec::new())
            }
            Input::ContainerEnded(report) => life::ended(self, state, report, out),
            Input::SandboxDied { uid, id } => life::sandbox_died(self, state, &uid, &id, now, out),
            Input::Pulling { uid, container } => life::pulling(state, &uid, &container, out),
            Input::Done {
                uid,
                operation,
                outcome,
            } => completion::done(self, state, now, &uid, operation, outcome, out),
            // Step 8: the API server notifies the node's kubelet.
            Input::PodsListed { revision, pods } => sources::listed(self, state, revision, pods),
            Input::PodApplied { revision, pod } => sources::applied(self, state, revision, pod),
            Input::PodGone {
                revision,
                uid,
                grace_s,
            } => sources::gone(state, revision, &uid, grace_s),
            Input::StatusWritten { uid, outcome } => {
                writes::status_written(state, &uid, outcome, out)
            }
            Input::PodDeleted { uid, outcome } => writes::pod_deleted(state, &uid, outcome, out),
            Input::NodeRegistered { revision } => node::registered(state, now, revision, out),
            Input::RegistrationFailed(_) => node::registration_failed(state, out),
            Input::NodeWritten(written) => node::node_written(state, now, written, out),
            Input::LeaseWritten(written) => node::lease_written(state, written, out),
            Input::Measured(measure) => node::measured(state, now, measure, out),
            Input::Stop => {
                if state.stopping {
                    return Step::Nothing;
                }
                state.stopping = true;
                Step::moved(KubeletAction::NodeStopping)
            }
            Input::Fired(timer) => match timer {
                Timer::Pod(uid) => writes::retry_pod(state, &uid),
                Timer::Status(uid) => writes::retry_status(state, &uid),
                Timer::Deadline(uid) => deadline::fired(state, &uid),
                Timer::Container(uid, name) => writes::retry_container(state, &uid, &name),
                timer => node::fired(state, now, &timer, out),
            },
        }
    }
}

fn runtime_failed(
    state: &mut State,
    now: Now,
    why: String,
    out: &mut Out<Kubelet>,
) -> Step<KubeletAction> {
    if !state.relisting {
        return Step::Refused("no list of the runtime was asked for");
    }
    state.relisting = false;
    out.timer(Timer::Runtime, node::RUNTIME_MS);
    let mut actions = Vec::new();
    state.node.runtime = Some(Err(why));
    if state.node.registration == Registration::Absent && state.node.retry_ms.is_none() {
        node::register(state, now, out);
    }
    node::report(state, now, false, out, &mut actions);
    Step::Moved(actions)
}
