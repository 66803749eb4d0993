//! The closed world: a user, an API server, the shipped controller, and what goes wrong.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use model::machines::controller::{Answer, Ask, Controller, Input, Output, Timer};
use model::machines::replicaset::{ReplicaSetStatus, ReplicaSets};
use model::messages::api::Verb;
use model::objects::condition::Condition;
use model::objects::key::GroupResource;
use model::objects::kinds;
use model::objects::status::Status;
use serde_json::Value;

use super::properties::properties;
use super::reality::{Fact, Reality, pod_of, set};
use super::{Choice, Level};
use crate::node::{Node, Process};
use crate::world::{Happens, Property, Word, World};

/// The size of the world.
#[derive(Clone, Debug)]
pub struct ReplicaSetWorld {
    /// The machine.
    pub machine: Controller<ReplicaSets>,
    /// How stale what it sees may be.
    pub level: Level,
    /// The numbers of replicas that the user asks for, one after another.
    pub wishes: &'static [i64],
    /// How often the controller may restart.
    pub restarts: u8,
    /// How many pods may go by themselves.
    pub deaths: u8,
    /// How often a connection may break under a request.
    pub losses: u8,
}

/// A moment of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) controller: Node<Controller<ReplicaSets>>,
    pub(super) reality: Reality,
    /// Up to which revision the controller has seen pods and sets.
    pods_seen: usize,
    sets_seen: usize,
    /// Requests of the present batch that the API server has not carried out.
    pub(super) asked: BTreeMap<u32, Ask>,
    /// Answers on their way.
    answers: BTreeMap<u32, Answer>,
    restarts_left: u8,
    deaths_left: u8,
    losses_left: u8,
    /// Ghost: more pods than were ever asked for were alive after a creation.
    pub(super) surplus: bool,
    /// Ghost: the controller decided to delete pods that were not too many.
    pub(super) undershot: bool,
    /// Ghost: it decided so though a view of the present would have told it better.
    pub(super) deleted: bool,
    /// Ghost: a creation was decided by a controller that had restarted.
    pub(super) restarted: bool,
}

impl World for ReplicaSetWorld {
    type State = State;
    type Choice = Choice;

    fn begin(&self) -> State {
        let mut state = State {
            controller: Process::start(&self.machine, None),
            reality: Reality::default(),
            pods_seen: 0,
            sets_seen: 0,
            asked: BTreeMap::new(),
            answers: BTreeMap::new(),
            restarts_left: self.restarts,
            deaths_left: self.deaths,
            losses_left: self.losses,
            surplus: false,
            undershot: false,
            deleted: false,
            restarted: false,
        };
        state.reality.write(Fact::Wished(0));
        self.list(&mut state, 1);
        state
    }

    fn choices(&self, state: &State) -> Vec<Choice> {
        let mut choices = Vec::new();
        if let Some(wish) = self.wishes.get(state.reality.wishes() - 1) {
            choices.push(Choice::Wish(*wish));
        }
        for pods in [true, false] {
            if state
                .reality
                .next(&resource(pods), state.seen(pods))
                .is_some()
            {
                choices.push(Choice::See { pods });
            }
        }
        for index in state.asked.keys() {
            choices.push(Choice::Serve(*index));
            if state.losses_left > 0 {
                choices.push(Choice::Lose {
                    index: *index,
                    done: true,
                });
                choices.push(Choice::Lose {
                    index: *index,
                    done: false,
                });
            }
        }
        choices.extend(state.answers.keys().map(|index| Choice::Hear(*index)));
        let sooner = !choices.is_empty();
        for timer in &state.controller.timers {
            // Five minutes pass only when nothing else can happen.
            let long = matches!(timer, Timer::Expectations(_));
            if !(long && sooner) {
                choices.push(Choice::Fire(timer.clone()));
            }
        }
        if state.deaths_left > 0 {
            choices.extend(state.reality.now().pods.into_iter().map(Choice::Die));
        }
        if state.restarts_left > 0 {
            let newest = state.reality.revision();
            let oldest = match self.level {
                Level::Synchronous | Level::Session => newest,
                Level::Resettable => 1,
            };
            choices.extend((oldest..=newest).map(|revision| Choice::Restart { revision }));
        }
        choices
    }

    fn take(&self, state: &mut State, choice: &Choice) -> bool {
        match choice {
            Choice::Wish(replicas) => state.reality.write(Fact::Wished(*replicas)),
            Choice::See { pods } => self.see(state, *pods),
            Choice::Serve(index) => {
                let answer = self.serve(state, *index);
                state.answers.insert(*index, answer);
            }
            Choice::Hear(index) => {
                if let Some(answer) = state.answers.remove(index) {
                    self.step(state, Input::Answered(set(), *index, answer));
                }
            }
            Choice::Lose { index, done } => {
                state.losses_left -= 1;
                match done {
                    true => drop(self.serve(state, *index)),
                    false => drop(state.asked.remove(index)),
                }
                state.answers.insert(*index, Answer::Lost);
            }
            Choice::Fire(timer) => {
                state.controller.fire(&self.machine, timer);
                self.carry_out(state);
            }
            Choice::Die(pod) => {
                state.deaths_left -= 1;
                state.reality.write(Fact::Gone(*pod));
            }
            Choice::Restart { revision } => {
                state.restarts_left -= 1;
                state.restarted = true;
                // Requests under way are lost with the process: what it caused may be unknown to it afterwards.
                state.asked.clear();
                state.answers.clear();
                state.controller = Process::start(&self.machine, None);
                self.list(state, *revision);
            }
        }
        while self.level == Level::Synchronous && self.see_next(state) {}
        true
    }

    fn properties() -> Vec<Property<Self>> {
        properties()
    }

    fn words() -> &'static [Word] {
        const fn word(name: &'static str, kind: Happens) -> Word {
            Word { name, kind }
        }
        const WORDS: [Word; 8] = [
            word("wish", Happens::Perhaps),
            word("see", Happens::Surely),
            word("serve", Happens::Surely),
            word("hear", Happens::Surely),
            word("fire", Happens::Surely),
            word("lose", Happens::Fault),
            word("die", Happens::Fault),
            word("restart", Happens::Fault),
        ];
        &WORDS
    }

    fn word(choice: &Choice) -> &'static str {
        match choice {
            Choice::Wish(_) => "wish",
            Choice::See { .. } => "see",
            Choice::Serve(_) => "serve",
            Choice::Hear(_) => "hear",
            Choice::Lose { .. } => "lose",
            Choice::Fire(_) => "fire",
            Choice::Die(_) => "die",
            Choice::Restart { .. } => "restart",
        }
    }

    fn process(choice: &Choice) -> u8 {
        match choice {
            Choice::See { pods } => u8::from(*pods),
            Choice::Serve(index) | Choice::Hear(index) => u8::try_from(*index).unwrap_or(u8::MAX),
            _ => 0,
        }
    }

    fn parties(choice: &Choice) -> (String, String) {
        let (from, to) = match choice {
            Choice::Wish(_) => ("user", "apiserver"),
            Choice::See { .. } | Choice::Hear(_) => ("apiserver", "controllers"),
            Choice::Serve(_) | Choice::Lose { .. } => ("controllers", "apiserver"),
            Choice::Fire(_) | Choice::Restart { .. } => ("controllers", "controllers"),
            Choice::Die(_) => ("node", "apiserver"),
        };
        (from.to_owned(), to.to_owned())
    }

    fn project(state: &State, mut hasher: &mut dyn Hasher) {
        let State {
            controller,
            reality,
            pods_seen,
            sets_seen,
            asked,
            answers,
            restarts_left,
            deaths_left,
            losses_left,
            surplus: _,
            undershot: _,
            deleted: _,
            restarted: _,
        } = state;
        (controller, reality, pods_seen, sets_seen).hash(&mut hasher);
        (asked, answers).hash(&mut hasher);
        (restarts_left, deaths_left, losses_left).hash(&mut hasher);
    }

    /// There are as many pods as are asked for, the set says so, and the controller knows.
    fn converged(&self, state: &State) -> bool {
        let now = state.reality.now();
        let there = now.pods.len() as i64;
        state.asked.is_empty()
            && state.answers.is_empty()
            && state
                .reality
                .next(&resource(true), state.pods_seen)
                .is_none()
            && state
                .reality
                .next(&resource(false), state.sets_seen)
                .is_none()
            && Some(there) == now.wished
            && now.status.replicas == there
    }
}

fn resource(pods: bool) -> GroupResource {
    match pods {
        true => kinds::pods(),
        false => kinds::replicasets(),
    }
}

impl ReplicaSetWorld {
    /// The controller lists both resources at a revision and watches from there.
    fn list(&self, state: &mut State, revision: usize) {
        (state.pods_seen, state.sets_seen) = (revision, revision);
        for pods in [true, false] {
            let list = state.reality.list(&resource(pods), revision);
            self.step(state, Input::Seen(resource(pods), list));
        }
    }

    fn see(&self, state: &mut State, pods: bool) {
        let next = state.reality.next(&resource(pods), state.seen(pods));
        let Some((delivery, position)) = next else {
            return;
        };
        match pods {
            true => state.pods_seen = position,
            false => state.sets_seen = position,
        }
        self.step(state, Input::Seen(resource(pods), delivery));
    }

    /// Sees the change that happened first, if there is one to be seen.
    fn see_next(&self, state: &mut State) -> bool {
        let next = [true, false]
            .into_iter()
            .filter_map(|pods| {
                let (_, position) = state.reality.next(&resource(pods), state.seen(pods))?;
                Some((position, pods))
            })
            .min();
        let Some((_, pods)) = next else { return false };
        self.see(state, pods);
        true
    }

    /// The API server carries out a request.
    fn serve(&self, state: &mut State, index: u32) -> Answer {
        let Some(ask) = state.asked.remove(&index) else {
            unreachable!("only what was asked is served");
        };
        match &ask.request.verb {
            Verb::Create => {
                let pod = state.reality.next_pod();
                state.reality.write(Fact::Born(pod));
                let most = self.wishes.iter().copied().max().unwrap_or(0);
                state.surplus |= state.reality.now().pods.len() as i64 > most;
            }
            Verb::Delete(_) => {
                let pod = pod_of(&ask.request.name);
                if !state.reality.now().pods.contains(&pod) {
                    return Answer::Failed(Status::not_found(&set()));
                }
                state.reality.write(Fact::Gone(pod));
            }
            Verb::Patch(_) => {
                let body: Value = serde_json::from_slice(&ask.body).expect("the status is JSON");
                let status = reported(&body["status"]);
                // A write that changes nothing makes no revision.
                if status != state.reality.now().status {
                    state.reality.write(Fact::Reported(status));
                }
            }
            other => unreachable!("the controller of one set with its own pods asks no {other:?}"),
        }
        Answer::Done(state.reality.revision() as u64, Vec::new())
    }

    fn step(&self, state: &mut State, input: Input<ReplicaSets>) {
        state.controller.step(&self.machine, input);
        self.carry_out(state);
    }

    fn carry_out(&self, state: &mut State) {
        let mut deletions = 0;
        while let Some(output) = state.controller.outbox.pop_front() {
            if let Output::Ask(_, index, ask) = output {
                deletions += i64::from(matches!(ask.request.verb, Verb::Delete(_)));
                state.asked.insert(index, ask);
            }
        }
        if deletions > 0 {
            state.deleted = true;
            // The least that anybody asked for since what the controller saw.
            let wished = (state.sets_seen..=state.reality.revision())
                .filter_map(|revision| state.reality.at(revision).wished);
            let there = state.reality.now().pods.len() as i64;
            state.undershot |= there - deletions < wished.min().unwrap_or(0);
        }
    }
}

impl State {
    fn seen(&self, pods: bool) -> usize {
        match pods {
            true => self.pods_seen,
            false => self.sets_seen,
        }
    }
}

fn reported(status: &Value) -> ReplicaSetStatus {
    let count = |name: &str| status[name].as_i64().unwrap_or(0);
    let conditions = status["conditions"].as_array();
    let condition = |value: &Value| {
        serde_json::from_value::<Condition>(value.clone()).expect("the controller's own condition")
    };
    ReplicaSetStatus {
        replicas: count("replicas"),
        fully_labeled_replicas: count("fullyLabeledReplicas"),
        ready_replicas: count("readyReplicas"),
        available_replicas: count("availableReplicas"),
        observed_generation: count("observedGeneration"),
        conditions: conditions.into_iter().flatten().map(condition).collect(),
    }
}
