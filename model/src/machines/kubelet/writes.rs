//! What became of writes to the API server, and of waits.

use crate::actions::kubelet::KubeletAction;
use crate::machine::{Out, Step};
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::ended::tell;
use crate::machines::kubelet::failures::STEP_MS;
use crate::machines::kubelet::input::{Timer, Written};
use crate::machines::kubelet::state::{Record, Removal, Retry, State};
use crate::rules::backoff;

/// First and longest wait before a failed status write is repeated, in milliseconds.
const STATUS_MS: (u64, u64) = (200, 10_000);

/// A status write has ended (step 11 of a pod's path).
pub fn status_written(
    state: &mut State,
    uid: &str,
    outcome: Written,
    out: &mut Out<Kubelet>,
) -> Step<KubeletAction> {
    let Some(record) = state.pods.get_mut(uid) else {
        return Step::Nothing;
    };
    if !record.reporting.in_flight {
        return Step::Refused("no status write was asked for");
    }
    record.reporting.in_flight = false;
    match outcome {
        Written::Done => {
            record.reporting.retry = Retry::default();
            show_back_off(record, out);
            Step::moved(KubeletAction::StatusReported {
                pod: record.name.clone(),
            })
        }
        Written::Absent => {
            record.reporting.absent = true;
            Step::Moved(Vec::new())
        }
        Written::Failed(_) => {
            record.reporting.sent = None;
            let wait = backoff::next(record.reporting.retry.after_ms, STATUS_MS.0, STATUS_MS.1);
            record.reporting.retry = Retry {
                after_ms: Some(wait),
                waiting: true,
            };
            out.timer(Timer::Status(uid.to_owned()), wait);
            Step::Moved(Vec::new())
        }
    }
}

/// Once people could see why an image could not be pulled, they see that it is waited for.
fn show_back_off(record: &mut Record, out: &mut Out<Kubelet>) {
    let mut waiting = Vec::new();
    for (name, instance) in &mut record.containers {
        let failed = instance
            .trouble
            .as_mut()
            .filter(|trouble| instance.waiting && trouble.reason == "ErrImagePull");
        if let Some(trouble) = failed {
            let image = record.pod.as_ref().and_then(|pod| pod.container(name));
            let image = image
                .map(|container| container.image.clone())
                .unwrap_or_default();
            trouble.reason = "ImagePullBackOff".to_owned();
            trouble.message = format!("Back-off pulling image \"{image}\": {}", trouble.message);
            waiting.push((name.clone(), format!("Back-off pulling image \"{image}\"")));
        }
    }
    for (name, message) in waiting {
        tell(record, &name, false, "BackOff", &message, out);
    }
}

/// The deletion of a pod's object has ended.
pub fn pod_deleted(
    state: &mut State,
    uid: &str,
    outcome: Written,
    out: &mut Out<Kubelet>,
) -> Step<KubeletAction> {
    let Some(record) = state.pods.get_mut(uid) else {
        return Step::Nothing;
    };
    if record.removal != Removal::Asked {
        return Step::Refused("no deletion was asked for");
    }
    if let Written::Failed(_) = outcome {
        record.removal = Removal::None;
        let wait = backoff::next(record.retry.after_ms, STEP_MS.0, STEP_MS.1);
        record.retry = Retry {
            after_ms: Some(wait),
            waiting: true,
        };
        out.timer(Timer::Pod(uid.to_owned()), wait);
        return Step::Moved(Vec::new());
    }
    record.removal = Removal::Done;
    Step::moved(KubeletAction::PodRemoved {
        pod: record.name.clone(),
    })
}

/// The wait of a pod is over.
pub fn retry_pod(state: &mut State, uid: &str) -> Step<KubeletAction> {
    match state.pods.get_mut(uid) {
        Some(record) if record.retry.waiting => {
            record.retry.waiting = false;
            Step::Moved(Vec::new())
        }
        _ => Step::Nothing,
    }
}

/// The wait of a status write is over.
pub fn retry_status(state: &mut State, uid: &str) -> Step<KubeletAction> {
    match state.pods.get_mut(uid) {
        Some(record) if record.reporting.retry.waiting => {
            record.reporting.retry.waiting = false;
            Step::Moved(Vec::new())
        }
        _ => Step::Nothing,
    }
}

/// The wait of a container is over.
pub fn retry_container(state: &mut State, uid: &str, name: &str) -> Step<KubeletAction> {
    let instance = state
        .pods
        .get_mut(uid)
        .and_then(|record| record.containers.get_mut(name));
    match instance {
        Some(instance) if instance.waiting => {
            instance.waiting = false;
            Step::Moved(Vec::new())
        }
        _ => Step::Nothing,
    }
}
