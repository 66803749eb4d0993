//! A node in the world of machines: its kubelet's process, and the runtime that outlives it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::actions::kubelet::PodName;
use model::machines::kubelet::{Input, Operation, Outcome, Output, Timer, Written};
use model::machines::transaction::WriteVerb;
use model::messages::api::DeleteOptions;
use model::objects::kinds::Subresource;
use model::objects::status::Reason;

use crate::create_pod::Action;
use crate::create_pod::machines::api::{node_key, pod_key};
use crate::create_pod::machines::host::{KILLED, KubeletProcess, Node, failed, summary};
use crate::create_pod::machines::objects::{Change, PodStatus, Thing};
use crate::create_pod::machines::{Choice, MachinesWorld, State, Suite, node_name};
use crate::node::Process;

impl<M: Suite> MachinesWorld<M> {
    pub(super) fn host_choices(&self, state: &State, node: usize, choices: &mut Vec<Choice>) {
        let host = &state.nodes[node].host;
        if host.off {
            return choices.push(Choice::PowerOn(node));
        }
        if state.left.losses.min(state.left.any) > 0 {
            choices.push(Choice::PowerOff(node));
        }
        if state.left.ends.min(state.left.any) > 0 {
            let running: BTreeSet<&str> = host.running().collect();
            choices.extend(
                running
                    .into_iter()
                    .map(|uid| Choice::End(node, uid.to_owned())),
            );
        }
    }

    pub(super) fn kubelet_choices(&self, state: &State, node: usize, choices: &mut Vec<Choice>) {
        let kubelet = &state.nodes[node].kubelet;
        let Some(process) = &kubelet.process else {
            if !state.nodes[node].host.off {
                choices.push(Choice::KubeletStarts(node));
            }
            return;
        };
        if !process.state.pods_listed {
            choices.push(Choice::KubeletLists(node, false));
            if state.cache.revision != state.store.revision {
                choices.push(Choice::KubeletLists(node, true));
            }
        } else if !self.news(state, node).is_empty() {
            choices.push(Choice::KubeletSees(node));
        }
        for (uid, operation) in &kubelet.operations {
            match operation {
                Operation::StopContainers { .. } => {
                    choices.push(Choice::Stopped(node, uid.clone()))
                }
                _ => {
                    choices.push(Choice::Started(node, uid.clone()));
                    if state.left.failed_starts.min(state.left.any) > 0 {
                        choices.push(Choice::FailedStart(node, uid.clone()));
                    }
                }
            }
        }
        let reports = kubelet.reports.keys();
        choices.extend(reports.map(|uid| Choice::Persist(node, uid.clone())));
        let removals = kubelet.removals.keys();
        choices.extend(removals.map(|uid| Choice::Removed(node, uid.clone())));
        let of_pods = |timer: &&Timer| {
            matches!(
                timer,
                Timer::Pod(_) | Timer::Container(..) | Timer::Status(_) | Timer::Deadline(_)
            )
        };
        let due = process.timers.iter().filter(of_pods).cloned();
        choices.extend(due.map(|timer| Choice::KubeletFires(node, timer)));
        // Nodes are alike: where the world begins settled, the first one's kubelet stands for any.
        let may_crash = node == 0 || !self.settled;
        if may_crash && state.left.kubelet_crashes.min(state.left.any) > 0 {
            choices.push(Choice::KubeletCrash(node, false));
            let waits = kubelet.operations.len() + kubelet.reports.len() + kubelet.removals.len();
            if waits > 0 {
                choices.push(Choice::KubeletCrash(node, true));
            }
        }
    }

    /// What a watch has still to tell a kubelet of its pods.
    fn news(&self, state: &State, node: usize) -> Vec<Input> {
        let Some(process) = &state.nodes[node].kubelet.process else {
            return Vec::new();
        };
        let name = node_name(node);
        let mine = |(_, pod): &(u64, &Thing)| pod.node == name;
        let there: BTreeMap<&str, (u64, &Thing)> = state
            .store
            .pods()
            .filter(mine)
            .map(|(revision, pod)| (pod.meta.uid.as_str(), (revision, pod)))
            .collect();
        let known = &process.state.pods;
        let gone = known
            .iter()
            .filter(|(uid, record)| record.pod.is_some() && !there.contains_key(uid.as_str()));
        let gone = gone.map(|(uid, _)| {
            let revision = state.store.removed.get(uid).copied().unwrap_or_default();
            let input = Input::PodGone {
                revision,
                uid: uid.clone(),
                grace_s: None,
            };
            (revision, input)
        });
        let new = there.iter().filter(|(uid, (_, pod))| {
            let record = known.get(**uid).and_then(|record| record.pod.as_ref());
            record.is_none_or(|before| before.deleting != pod.meta.deleting())
        });
        let new = new.map(|(_, (revision, pod))| {
            let input = Input::PodApplied {
                revision: *revision,
                pod: pod.kubelet_view(),
            };
            (*revision, input)
        });
        let mut news: Vec<(u64, Input)> = gone.chain(new).collect();
        news.sort_by_key(|(revision, _)| *revision);
        news.into_iter().map(|(_, input)| input).collect()
    }

    pub(super) fn kubelet_sees(&self, state: &mut State, node: usize) {
        for input in self.news(state, node) {
            self.feed(state, node, input);
        }
    }

    pub(super) fn kubelet_starts(&self, state: &mut State, node: usize) {
        let process = Process::start(&self.machines.kubelet(node, self.room), None);
        Arc::make_mut(&mut state.nodes[node]).kubelet.process = Some(process);
        self.say(state, [Action::KubeletStarted(node_name(node))]);
        self.carry_out(state, node);
    }

    pub(super) fn kubelet_lists(&self, state: &mut State, node: usize, cached: bool) {
        let store = Arc::clone(if cached { &state.cache } else { &state.store });
        let name = node_name(node);
        let mine = store.pods().filter(|(_, pod)| pod.node == name);
        let input = Input::PodsListed {
            revision: store.revision,
            pods: mine.map(|(_, pod)| pod.kubelet_view()).collect(),
        };
        self.feed(state, node, input);
    }

    /// Gives a kubelet an input, if its process runs, and does what it asks for at once.
    pub(super) fn feed(&self, state: &mut State, node: usize, input: Input) {
        let kubelet = &mut Arc::make_mut(&mut state.nodes[node]).kubelet;
        let Some(process) = &mut kubelet.process else {
            return;
        };
        let actions = process.tell(&self.machines.kubelet(node, self.room), input);
        let name = node_name(node);
        let said = actions.into_iter();
        self.say(
            state,
            said.map(|action| Action::Kubelet(name.clone(), action)),
        );
        self.carry_out(state, node);
    }

    fn carry_out(&self, state: &mut State, node: usize) {
        loop {
            let Node { kubelet, host } = Arc::make_mut(&mut state.nodes[node]);
            let process = kubelet.process.as_mut();
            let Some(output) = process.and_then(|process| process.outbox.pop_front()) else {
                return;
            };
            let input = match output {
                Output::ListRuntime => Input::RuntimeListed {
                    sandboxes: host.sandboxes.values().cloned().collect(),
                    containers: host.containers.values().cloned().collect(),
                },
                Output::RegisterNode(_) => {
                    let revision = self.register(state, node);
                    Input::NodeRegistered { revision }
                }
                Output::Run { pod, operation } => match host.at_once(&pod, &operation) {
                    Some(outcome) => Input::Done {
                        uid: pod.uid,
                        operation,
                        outcome,
                    },
                    None => {
                        kubelet.operations.insert(pod.uid, operation);
                        continue;
                    }
                },
                Output::Abandon { pod, operation } => {
                    if kubelet.operations.get(&pod.uid) == Some(&operation) {
                        kubelet.operations.remove(&pod.uid);
                    }
                    continue;
                }
                Output::WriteStatus { pod, status } => {
                    let uid = pod.uid.clone();
                    kubelet.reports.insert(uid, (pod, summary(&status)));
                    continue;
                }
                Output::DeletePod(pod) => {
                    kubelet.removals.insert(pod.uid.clone(), pod);
                    continue;
                }
                // The node's own status and lease decide nothing here; events are for people.
                Output::FollowPods { .. }
                | Output::Forget(_)
                | Output::Event(_)
                | Output::WriteNodeStatus(_)
                | Output::RenewLease
                | Output::Measure
                | Output::Stopped => continue,
            };
            self.feed(state, node, input);
        }
    }

    /// The node's object is made, or written anew: either is newer than whatever this node did before.
    fn register(&self, state: &mut State, node: usize) -> u64 {
        let name = node_name(node);
        let verb = if state.store.has_node(&name) {
            WriteVerb::Patch(Some(Subresource::Status), Change::Starts)
        } else {
            WriteVerb::Create(Change::Whole(Box::new(Thing::named(&name))))
        };
        match self.write(state, node_key(&name), verb, &name) {
            Ok(written) => written.revision,
            // Not possible: nobody else writes it.
            Err(_) => 0,
        }
    }

    pub(super) fn started(&self, state: &mut State, node: usize, uid: &str) {
        let Node { kubelet, host } = Arc::make_mut(&mut state.nodes[node]);
        let Some(operation) = kubelet.operations.remove(uid) else {
            return;
        };
        let Operation::StartContainer { attempt, .. } = operation else {
            return;
        };
        let outcome = match host.start(uid, attempt) {
            Some(report) => Outcome::Started(report),
            None => failed(),
        };
        let uid = uid.to_owned();
        self.feed(
            state,
            node,
            Input::Done {
                uid,
                operation,
                outcome,
            },
        );
    }

    pub(super) fn failed_start(&self, state: &mut State, node: usize, uid: &str) {
        state.left.failed_starts -= 1;
        state.left.any -= 1;
        let kubelet = &mut Arc::make_mut(&mut state.nodes[node]).kubelet;
        if let Some(operation) = kubelet.operations.remove(uid) {
            let outcome = failed();
            let uid = uid.to_owned();
            self.feed(
                state,
                node,
                Input::Done {
                    uid,
                    operation,
                    outcome,
                },
            );
        }
    }

    pub(super) fn end(&self, state: &mut State, node: usize, uid: &str) {
        state.left.ends -= 1;
        state.left.any -= 1;
        let ended = Arc::make_mut(&mut state.nodes[node]).host.kill(uid, 0);
        for report in ended {
            self.feed(state, node, Input::ContainerEnded(report));
        }
    }

    pub(super) fn stopped(&self, state: &mut State, node: usize, uid: &str) {
        let Node { kubelet, host } = Arc::make_mut(&mut state.nodes[node]);
        if let Some(operation) = kubelet.operations.remove(uid) {
            let outcome = Outcome::Stopped(host.kill(uid, KILLED));
            let uid = uid.to_owned();
            self.feed(
                state,
                node,
                Input::Done {
                    uid,
                    operation,
                    outcome,
                },
            );
        }
    }

    pub(super) fn persist(&self, state: &mut State, node: usize, uid: &str) {
        let kubelet = &mut Arc::make_mut(&mut state.nodes[node]).kubelet;
        if let Some((pod, status)) = kubelet.reports.remove(uid) {
            let outcome = self.write_status(state, &pod, status);
            let uid = uid.to_owned();
            self.feed(state, node, Input::StatusWritten { uid, outcome });
        }
    }

    /// Step 11, for the pod of this UID only.
    fn write_status(&self, state: &mut State, pod: &PodName, status: PodStatus) -> Written {
        if state.store.pod(&pod.uid).is_none() {
            return Written::Absent;
        }
        let verb = WriteVerb::Patch(Some(Subresource::Status), Change::Status(status));
        match self.write(state, pod_key(&pod.name), verb, "") {
            Ok(_) => Written::Done,
            Err(status) if status.reason == Reason::NotFound => Written::Absent,
            Err(status) => Written::Failed(status.message),
        }
    }

    pub(super) fn removed(&self, state: &mut State, node: usize, uid: &str) {
        let kubelet = &mut Arc::make_mut(&mut state.nodes[node]).kubelet;
        if let Some(pod) = kubelet.removals.remove(uid) {
            let outcome = self.remove_pod(state, &pod);
            let uid = uid.to_owned();
            self.feed(state, node, Input::PodDeleted { uid, outcome });
        }
    }

    fn remove_pod(&self, state: &mut State, pod: &PodName) -> Written {
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            uid: Some(pod.uid.clone()),
            ..DeleteOptions::default()
        };
        match self.delete(state, pod_key(&pod.name), options) {
            Ok(_) => Written::Done,
            // Another pod has the name.
            Err(status) if matches!(status.reason, Reason::NotFound | Reason::Conflict) => {
                Written::Absent
            }
            Err(status) => Written::Failed(status.message),
        }
    }

    pub(super) fn kubelet_crash(&self, state: &mut State, node: usize, done: bool) {
        state.left.kubelet_crashes -= 1;
        state.left.any -= 1;
        let Node { kubelet, host } = Arc::make_mut(&mut state.nodes[node]);
        let before = std::mem::take(kubelet);
        if !done {
            return;
        }
        for (uid, operation) in &before.operations {
            match operation {
                Operation::StartContainer { attempt, .. } => {
                    host.start(uid, *attempt);
                }
                _ => {
                    host.kill(uid, KILLED);
                }
            }
        }
        for (pod, status) in before.reports.into_values() {
            self.write_status(state, &pod, status);
        }
        for pod in before.removals.values() {
            self.remove_pod(state, pod);
        }
    }

    pub(super) fn power_off(&self, state: &mut State, node: usize) {
        state.left.losses -= 1;
        state.left.any -= 1;
        let Node { kubelet, host } = Arc::make_mut(&mut state.nodes[node]);
        *kubelet = KubeletProcess::default();
        host.off = true;
        let running: BTreeSet<String> = host.running().map(str::to_owned).collect();
        for uid in running {
            host.kill(&uid, KILLED);
        }
        host.sandboxes
            .values_mut()
            .for_each(|sandbox| sandbox.ready = false);
    }
}
