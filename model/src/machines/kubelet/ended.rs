//! Containers that have ended: how, and if they start again, when.

use crate::actions::kubelet::{KubeletAction, PodName};
use crate::machine::{Now, Out};
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::input::{ContainerReport, ReportedState, Timer};
use crate::machines::kubelet::output::{Event, Output};
use crate::machines::kubelet::report::UNSEEN_EXIT_CODE;
use crate::machines::kubelet::state::{Ended, Life, Record, Trouble};
use crate::rules::backoff;

/// A container of which the runtime knows nothing any more.
pub fn unseen(
    record: &mut Record,
    name: &str,
    stopping: bool,
    now: Now,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let Some(instance) = record.containers.get(name) else {
        return;
    };
    let started = match &instance.life {
        Life::Running { started, .. } => *started,
        _ => Now(0),
    };
    let ended = Ended {
        id: instance.id().unwrap_or_default().to_owned(),
        exit_code: UNSEEN_EXIT_CODE,
        reason: "ContainerStatusUnknown".to_owned(),
        message: "The container could not be located when the pod was looked at".to_owned(),
        started,
        finished: now,
    };
    mark_ended(record, name, ended, stopping, out, actions);
}

/// Notes how a container ended, and if it is to start again, when.
pub fn mark_ended(
    record: &mut Record,
    name: &str,
    ended: Ended,
    stopping: bool,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let again = record.ending(stopping).is_none() && record.restarts(name, ended.exit_code);
    let pod = record.name.clone();
    let Some(instance) = record.containers.get_mut(name) else {
        return;
    };
    actions.push(KubeletAction::ContainerEnded {
        pod: pod.clone(),
        container: name.to_owned(),
        attempt: instance.made.saturating_sub(1),
        exit_code: ended.exit_code,
    });
    let ran_ms = ended.finished.0.saturating_sub(ended.started.0);
    instance.life = Life::Ended(ended);
    instance.trouble = None;
    if !again {
        return;
    }
    let (wait, armed) = backoff::restart(instance.crash_ms, ran_ms);
    instance.crash_ms = Some(armed);
    if wait == 0 {
        return;
    }
    let PodName {
        namespace,
        name: pod_name,
        uid,
    } = &pod;
    let text = format!("restarting failed container={name} pod={pod_name}_{namespace}({uid})");
    instance.waiting = true;
    instance.trouble = Some(Trouble {
        reason: "CrashLoopBackOff".to_owned(),
        message: format!("back-off {} {text}", duration(wait)),
    });
    out.timer(Timer::Container(uid.clone(), name.to_owned()), wait);
    let message =
        format!("Back-off restarting failed container {name} in pod {pod_name}_{namespace}({uid})");
    tell(record, name, true, "BackOff", &message, out);
}

/// `10s`, `2m40s`: as Go writes durations.
fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

/// How the reported container ended; one whose end was not seen counts as killed.
pub fn how_it_ended(report: &ContainerReport) -> Ended {
    let seen = report.state == ReportedState::Exited;
    Ended {
        id: report.id.clone(),
        exit_code: if seen {
            report.exit_code
        } else {
            UNSEEN_EXIT_CODE
        },
        reason: if seen {
            report.reason.clone()
        } else {
            "ContainerStatusUnknown".to_owned()
        },
        message: report.message.clone(),
        started: report.started,
        finished: report.finished,
    }
}

/// Records an event about the pod, or about one of its containers.
pub fn tell(
    record: &Record,
    container: &str,
    warning: bool,
    reason: &str,
    message: &str,
    out: &mut Out<Kubelet>,
) {
    let init = record
        .pod
        .as_ref()
        .is_some_and(|pod| pod.is_init(container));
    let list = if init { "initContainers" } else { "containers" };
    let field = match container {
        "" => String::new(),
        name => format!("spec.{list}{{{name}}}"),
    };
    out.push(Output::Event(Event {
        pod: record.name.clone(),
        field,
        warning,
        reason: reason.to_owned(),
        message: message.to_owned(),
    }));
}
