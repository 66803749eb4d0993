//! What the runtime tells of sandboxes and containers that nobody asked about: lists, ends, deaths.

use std::collections::BTreeMap;

use crate::actions::kubelet::{KubeletAction, PodName};
use crate::machine::{Now, Out, Step};
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::ended::{how_it_ended, mark_ended, tell, unseen};
use crate::machines::kubelet::input::{ContainerReport, ReportedState, SandboxReport};
use crate::machines::kubelet::node::{self, Registration};
use crate::machines::kubelet::output::Operation;
use crate::machines::kubelet::state::{Life, Record, Sandbox, State};

type Reports = BTreeMap<String, (Vec<SandboxReport>, Vec<ContainerReport>)>;

/// Everything that the runtime has. Running containers are taken over as they are; what is of no pod is an orphan,
/// and ends as soon as the API has told which pods there are.
pub fn listed(
    _kubelet: &Kubelet,
    state: &mut State,
    now: Now,
    sandboxes: Vec<SandboxReport>,
    containers: Vec<ContainerReport>,
    out: &mut Out<Kubelet>,
) -> Step<KubeletAction> {
    if !state.relisting {
        return Step::Refused("no list of the runtime was asked for");
    }
    state.relisting = false;
    state.runtime_listed = true;
    state.node.runtime = Some(Ok(()));
    let running = containers
        .iter()
        .filter(|report| report.state == ReportedState::Running)
        .count();
    let mut actions = vec![KubeletAction::RuntimeListed {
        running: u32::try_from(running).unwrap_or(u32::MAX),
    }];
    let mut reports = by_pod(sandboxes, containers);
    for (uid, (sandboxes, _)) in &reports {
        if let (None, Some(first)) = (state.pods.get(uid), sandboxes.first()) {
            let mut record = Record::new(PodName {
                namespace: first.namespace.clone(),
                name: first.name.clone(),
                uid: uid.clone(),
            });
            record.grace_s = first.grace_s;
            record.requests = first.requests;
            state.pods.insert(uid.clone(), record);
        }
    }
    let stopping = state.stopping;
    for (uid, record) in &mut state.pods {
        let (sandboxes, containers) = reports.remove(uid).unwrap_or_default();
        if record.unsure || record.operation.is_some() {
            // What was done meanwhile is newer than the list.
            record.unsure = false;
            state.relist = true;
            continue;
        }
        take_sandboxes(record, sandboxes);
        take_containers(record, containers, stopping, now, out, &mut actions);
    }
    if state.node.registration == Registration::Absent && state.node.retry_ms.is_none() {
        node::register(state, now, out);
    } else {
        node::report(state, now, false, out, &mut actions);
    }
    Step::Moved(actions)
}

fn by_pod(sandboxes: Vec<SandboxReport>, containers: Vec<ContainerReport>) -> Reports {
    let mut reports = Reports::new();
    for sandbox in sandboxes {
        reports
            .entry(sandbox.uid.clone())
            .or_default()
            .0
            .push(sandbox);
    }
    for container in containers {
        // A container is inside a sandbox; one whose sandbox is not told cannot be reached.
        if let Some(found) = reports.get_mut(&container.uid) {
            found.1.push(container);
        }
    }
    for (sandboxes, containers) in reports.values_mut() {
        sandboxes.sort_by_key(|sandbox| std::cmp::Reverse(sandbox.attempt));
        containers.sort_by_key(|container| std::cmp::Reverse(container.attempt));
    }
    reports
}

fn take_sandboxes(record: &mut Record, sandboxes: Vec<SandboxReport>) {
    let mut sandboxes = sandboxes.into_iter();
    record.sandbox = sandboxes.next().map(|newest| {
        record.next_sandbox = record.next_sandbox.max(newest.attempt.saturating_add(1));
        Sandbox {
            id: newest.id,
            attempt: newest.attempt,
            ready: newest.ready,
            ips: newest.ips,
        }
    });
    record.stale_sandboxes = sandboxes.map(|older| older.id).collect();
}

fn take_containers(
    record: &mut Record,
    containers: Vec<ContainerReport>,
    stopping: bool,
    now: Now,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let newest = record.sandbox.as_ref().map(|sandbox| sandbox.id.clone());
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for report in containers {
        let of_newest = newest.as_ref() == Some(&report.sandbox);
        let count = seen.entry(report.name.clone()).or_insert(0);
        *count += 1;
        match *count {
            1 => take_present(record, report, of_newest, stopping, out, actions),
            2 => {
                let instance = record.containers.entry(report.name.clone()).or_default();
                if instance.last.is_none() {
                    instance.last = Some(how_it_ended(&report));
                }
            }
            _ if of_newest => {
                record.garbage.insert(report.id);
            }
            _ => {}
        }
    }
    let lost: Vec<String> = record
        .containers
        .iter()
        .filter(|(name, instance)| instance.alive() && !seen.contains_key(*name))
        .map(|(name, _)| name.clone())
        .collect();
    for name in lost {
        unseen(record, &name, stopping, now, out, actions);
    }
}

fn take_present(
    record: &mut Record,
    report: ContainerReport,
    of_newest: bool,
    stopping: bool,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let instance = record.containers.entry(report.name.clone()).or_default();
    instance.made = instance.made.max(report.attempt.saturating_add(1));
    instance.image_id = report.image_id.clone();
    match report.state {
        ReportedState::Running if of_newest => {
            if instance.id() != Some(report.id.as_str()) {
                instance.life = Life::Running {
                    id: report.id,
                    started: report.started,
                };
                actions.push(KubeletAction::ContainerAdopted {
                    pod: record.name.clone(),
                    container: report.name,
                    attempt: report.attempt,
                });
            }
        }
        ReportedState::Created if of_newest => instance.life = Life::Made(report.id),
        _ if instance.knows_the_end_of(&report) => {}
        _ => {
            let ended = how_it_ended(&report);
            mark_ended(record, &report.name, ended, stopping, out, actions);
        }
    }
}

/// A container has ended by itself, or under a stop whose end has still to be told.
pub fn ended(
    _kubelet: &Kubelet,
    state: &mut State,
    report: ContainerReport,
    out: &mut Out<Kubelet>,
) -> Step<KubeletAction> {
    let stopping = state.stopping;
    let overtakes = overtakes_the_list(state);
    let Some(record) = state.pods.get_mut(&report.uid) else {
        return overtakes;
    };
    let Some(instance) = record.containers.get_mut(&report.name) else {
        return overtakes;
    };
    let present = instance.made == report.attempt.saturating_add(1);
    if !present || instance.knows_the_end_of(&report) {
        return overtakes;
    }
    let mut actions = Vec::new();
    let ended = how_it_ended(&report);
    mark_ended(record, &report.name, ended, stopping, out, &mut actions);
    Step::Moved(actions)
}

/// What the runtime tells while it lists may be newer than the list, which comes after it: then the list is not the last
/// word, and another one follows.
fn overtakes_the_list(state: &mut State) -> Step<KubeletAction> {
    if !state.relisting || state.relist {
        return Step::Nothing;
    }
    state.relist = true;
    Step::Moved(Vec::new())
}

/// A sandbox has ended uncalled for: everything in it with it, and the pod gets another one.
pub fn sandbox_died(
    _kubelet: &Kubelet,
    state: &mut State,
    uid: &str,
    id: &str,
    now: Now,
    out: &mut Out<Kubelet>,
) -> Step<KubeletAction> {
    let stopping = state.stopping;
    let overtakes = overtakes_the_list(state);
    let Some(record) = state.pods.get_mut(uid) else {
        return overtakes;
    };
    let called_for = matches!(
        record.operation,
        Some(Operation::StopSandbox { .. } | Operation::RemoveSandbox { .. })
    );
    let found = record
        .sandbox
        .as_mut()
        .filter(|sandbox| sandbox.id == id && sandbox.ready && !called_for);
    let Some(sandbox) = found else {
        return overtakes;
    };
    sandbox.ready = false;
    let attempt = sandbox.attempt;
    let mut actions = vec![KubeletAction::SandboxDied {
        pod: record.name.clone(),
        attempt,
    }];
    tell(
        record,
        "",
        false,
        "SandboxChanged",
        "Pod sandbox changed, it will be killed and re-created.",
        out,
    );
    let alive: Vec<String> = record
        .containers
        .iter()
        .filter(|(_, instance)| instance.alive())
        .map(|(name, _)| name.clone())
        .collect();
    for name in alive {
        unseen(record, &name, stopping, now, out, &mut actions);
    }
    Step::Moved(actions)
}

/// An image is on its way.
pub fn pulling(
    state: &mut State,
    uid: &str,
    container: &str,
    out: &mut Out<Kubelet>,
) -> Step<KubeletAction> {
    let Some(record) = state.pods.get_mut(uid) else {
        return Step::Nothing;
    };
    let image = record.pod.as_ref().and_then(|pod| pod.container(container));
    let Some(image) = image.map(|container| container.image.clone()) else {
        return Step::Nothing;
    };
    tell(
        record,
        container,
        false,
        "Pulling",
        &format!("Pulling image \"{image}\""),
        out,
    );
    Step::Moved(Vec::new())
}
