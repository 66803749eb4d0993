//! What became of the operations that were asked for.

use crate::actions::kubelet::KubeletAction;
use crate::machine::{Now, Out, Step};
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::ended::{how_it_ended, mark_ended, tell, unseen};
use crate::machines::kubelet::failures::{is_of_image, not_started, step_failed, trouble};
use crate::machines::kubelet::input::{ContainerReport, Outcome, ReportedState};
use crate::machines::kubelet::output::Operation;
use crate::machines::kubelet::state::{Instance, Life, Record, Retry, Sandbox, State};

/// An operation has ended. The end of one that is not under way (abandoned, or of a former plan) means nothing.
pub fn done(
    _kubelet: &Kubelet,
    state: &mut State,
    now: Now,
    uid: &str,
    operation: Operation,
    outcome: Outcome,
    out: &mut Out<Kubelet>,
) -> Step<KubeletAction> {
    let stopping = state.stopping;
    let relisting = state.relisting;
    let Some(record) = state.pods.get_mut(uid) else {
        return Step::Nothing;
    };
    if !under_way(record, &operation) {
        return Step::Nothing;
    }
    record.operation = None;
    let mut actions = Vec::new();
    match (operation, outcome) {
        (Operation::StartContainer { container, .. }, Outcome::Failed { reason, message }) => {
            not_started(
                record,
                &container,
                reason,
                message,
                now,
                stopping,
                out,
                &mut actions,
            );
        }
        (Operation::EnsureImage { container }, Outcome::Failed { reason, message }) => {
            trouble(record, &container, reason, message, out, &mut actions);
        }
        (operation, Outcome::Failed { reason, message }) => {
            step_failed(record, &operation, reason, message, out, &mut actions);
        }
        (operation, outcome) => {
            record.retry = Retry::default();
            succeeded(record, operation, outcome, now, stopping, out, &mut actions);
        }
    }
    if record.unsure && !relisting {
        record.unsure = false;
        state.relist = true;
    }
    Step::Moved(actions)
}

fn under_way(record: &Record, operation: &Operation) -> bool {
    match (&record.operation, operation) {
        // A stop with less grace overtakes one with more; when either ends, nothing is alive.
        (Some(Operation::StopContainers { .. }), Operation::StopContainers { .. }) => true,
        (Some(present), ended) => present == ended,
        (None, _) => false,
    }
}

fn succeeded(
    record: &mut Record,
    operation: Operation,
    outcome: Outcome,
    now: Now,
    stopping: bool,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let pod = record.name.clone();
    match (operation, outcome) {
        (Operation::PrepareVolumes, _) => record.volumes = true,
        (Operation::CreateSandbox { attempt }, Outcome::Sandbox { id, ips }) => {
            begin_again(record);
            record.sandbox = Some(Sandbox {
                id,
                attempt,
                ready: true,
                ips,
            });
            actions.push(KubeletAction::SandboxCreated { pod, attempt });
        }
        (Operation::EnsureImage { container }, Outcome::Image { id, pulled }) => {
            image_present(record, &container, id, pulled, out);
        }
        (Operation::StartContainer { container, attempt }, Outcome::Started(report)) => {
            started(record, &container, report, stopping, out, actions);
            actions.insert(
                0,
                KubeletAction::ContainerStarted {
                    pod,
                    container,
                    attempt,
                },
            );
        }
        (Operation::StopContainers { .. }, Outcome::Stopped(reports)) => {
            stopped(record, reports, now, stopping, out, actions);
            actions.push(KubeletAction::PodStopped { pod });
        }
        (Operation::RemoveContainer { id }, _) => {
            record.garbage.remove(&id);
            for instance in record.containers.values_mut() {
                if instance.life == Life::Made(id.clone()) {
                    instance.life = Life::New;
                    instance.made = instance.made.saturating_sub(1);
                }
            }
        }
        (Operation::StopSandbox { id }, _) => {
            if let Some(sandbox) = record.sandbox.as_mut().filter(|sandbox| sandbox.id == id) {
                sandbox.ready = false;
            }
        }
        (Operation::RemoveSandbox { id }, _) => {
            record.stale_sandboxes.remove(&id);
            if record
                .sandbox
                .as_ref()
                .is_some_and(|sandbox| sandbox.id == id)
            {
                record.sandbox = None;
                record.garbage.clear();
                // What was started while its sandbox died went with it.
                lose_all(record, now, stopping, out, actions);
            }
            actions.push(KubeletAction::SandboxRemoved { pod });
        }
        (Operation::RemoveDirectories, _) => {
            record.directories = false;
            record.volumes = false;
        }
        // The shell answers an operation with the outcome that belongs to it; another one says nothing.
        _ => {}
    }
}

/// In another sandbox init containers run again, and what ended with the former sandbox does not count as started.
fn begin_again(record: &mut Record) {
    let names: Vec<(String, bool)> = match &record.pod {
        Some(pod) => pod
            .all()
            .map(|container| (container.name.clone(), pod.is_init(&container.name)))
            .collect(),
        None => Vec::new(),
    };
    for (name, init) in names {
        let again = record
            .containers
            .get(&name)
            .and_then(Instance::ended)
            .is_some_and(|ended| init || record.restarts(&name, ended.exit_code));
        if let Some(instance) = record.containers.get_mut(&name)
            && again
            && let Life::Ended(ended) = std::mem::take(&mut instance.life)
        {
            instance.last = Some(ended);
        }
    }
}

fn image_present(
    record: &mut Record,
    container: &str,
    id: String,
    pulled: bool,
    out: &mut Out<Kubelet>,
) {
    let image = record.pod.as_ref().and_then(|pod| pod.container(container));
    let image = image
        .map(|container| container.image.clone())
        .unwrap_or_default();
    if let Some(instance) = record.containers.get_mut(container) {
        instance.image_ready = true;
        instance.image_id = id;
        // What else keeps it from being made is tried again as seldom as before.
        let trouble = instance.trouble.as_ref();
        if trouble.is_none_or(|trouble| is_of_image(&trouble.reason)) {
            instance.setup_ms = None;
        }
        instance.trouble = None;
    }
    let message = if pulled {
        format!("Successfully pulled image \"{image}\"")
    } else {
        format!("Container image \"{image}\" already present on machine")
    };
    tell(record, container, false, "Pulled", &message, out);
}

fn started(
    record: &mut Record,
    container: &str,
    report: ContainerReport,
    stopping: bool,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    tell(
        record,
        container,
        false,
        "Created",
        &format!("Created container: {container}"),
        out,
    );
    tell(
        record,
        container,
        false,
        "Started",
        &format!("Started container {container}"),
        out,
    );
    let Some(instance) = record.containers.get_mut(container) else {
        return;
    };
    instance.setup_ms = None;
    if !report.image_id.is_empty() {
        instance.image_id = report.image_id.clone();
    }
    // The news of its end may have come before the news of its start.
    if instance.ended().is_some_and(|ended| ended.id == report.id) {
        return;
    }
    if report.state == ReportedState::Running {
        instance.life = Life::Running {
            id: report.id,
            started: report.started,
        };
    } else {
        let ended = how_it_ended(&report);
        mark_ended(record, container, ended, stopping, out, actions);
    }
}

fn stopped(
    record: &mut Record,
    reports: Vec<ContainerReport>,
    now: Now,
    stopping: bool,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    for report in reports {
        let alive = record
            .containers
            .get(&report.name)
            .is_some_and(|instance| instance.alive() && instance.id() == Some(report.id.as_str()));
        if alive {
            let ended = how_it_ended(&report);
            mark_ended(record, &report.name, ended, stopping, out, actions);
        }
    }
    lose_all(record, now, stopping, out, actions);
}

fn lose_all(
    record: &mut Record,
    now: Now,
    stopping: bool,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let alive = record
        .containers
        .iter()
        .filter(|(_, instance)| instance.alive());
    let alive: Vec<String> = alive.map(|(name, _)| name.clone()).collect();
    for name in alive {
        unseen(record, &name, stopping, now, out, actions);
    }
}
