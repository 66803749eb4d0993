//! What could not be done: containers that cannot be made or started, steps of a pod that fail. All of it is tried again,
//! less and less often.

use crate::actions::kubelet::KubeletAction;
use crate::machine::{Now, Out};
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::ended::{mark_ended, tell};
use crate::machines::kubelet::input::Timer;
use crate::machines::kubelet::output::Operation;
use crate::machines::kubelet::state::{Ended, Record, Retry, Trouble};
use crate::rules::backoff;

/// First and longest wait before a failed step of a pod is tried again, in milliseconds
/// (kubernetes `pkg/util/goroutinemap/exponentialbackoff`: 500 ms to 2 min 2 s).
pub const STEP_MS: (u64, u64) = (500, 122_000);
/// First and longest wait before an image is pulled again, in milliseconds (`MaxContainerBackOff`).
const IMAGE_MS: (u64, u64) = (10_000, 300_000);
/// First and longest wait before a container that could not be made is tried again, in milliseconds: an absent
/// config map may come soon.
const SETUP_MS: (u64, u64) = (1_000, 60_000);
/// Exit code of a container whose process could not be started.
const START_ERROR_CODE: i32 = 128;

/// A container could not be made or started. One that was made and did not start counts as ended.
#[allow(clippy::too_many_arguments)]
pub fn not_started(
    record: &mut Record,
    container: &str,
    reason: String,
    message: String,
    now: Now,
    stopping: bool,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    if reason == "RunContainerError" {
        // The news of its end may have come first.
        let known = record.containers.get(container);
        let known = known.is_some_and(|instance| instance.ended().is_some());
        failed(record, container, reason, &message, out, actions);
        if known {
            return;
        }
        let ended = Ended {
            id: String::new(),
            exit_code: START_ERROR_CODE,
            reason: "StartError".to_owned(),
            message,
            started: now,
            finished: now,
        };
        mark_ended(record, container, ended, stopping, out, actions);
        return;
    }
    if let Some(instance) = record.containers.get_mut(container) {
        instance.made = instance.made.saturating_sub(1);
    }
    trouble(record, container, reason, message, out, actions);
}

/// A container waits because of its image or its configuration.
pub fn trouble(
    record: &mut Record,
    container: &str,
    reason: String,
    message: String,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let (first, limit) = if is_of_image(&reason) {
        IMAGE_MS
    } else {
        SETUP_MS
    };
    failed(record, container, reason.clone(), &message, out, actions);
    let uid = record.name.uid.clone();
    if let Some(instance) = record.containers.get_mut(container) {
        let wait = backoff::next(instance.setup_ms, first, limit);
        instance.setup_ms = Some(wait);
        instance.waiting = true;
        instance.trouble = Some(Trouble { reason, message });
        out.timer(Timer::Container(uid, container.to_owned()), wait);
    }
}

/// Whether it is the image that a container waits for.
pub fn is_of_image(reason: &str) -> bool {
    matches!(
        reason,
        "ErrImagePull" | "ErrImageNeverPull" | "ImagePullBackOff"
    )
}

fn failed(
    record: &Record,
    container: &str,
    reason: String,
    message: &str,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let text = format!("Error: {message}");
    tell(record, container, true, "Failed", &text, out);
    actions.push(KubeletAction::ContainerFailed {
        pod: record.name.clone(),
        container: container.to_owned(),
        reason,
    });
}

/// A step of the pod as a whole failed: the same again, later.
pub fn step_failed(
    record: &mut Record,
    operation: &Operation,
    reason: String,
    message: String,
    out: &mut Out<Kubelet>,
    actions: &mut Vec<KubeletAction>,
) {
    let text = match operation {
        Operation::CreateSandbox { .. } => format!("Failed to create pod sandbox: {message}"),
        Operation::PrepareVolumes => message,
        _ => format!("error killing pod: {message}"),
    };
    tell(record, "", true, &reason, &text, out);
    actions.push(KubeletAction::StepFailed {
        pod: record.name.clone(),
        reason,
    });
    let wait = backoff::next(record.retry.after_ms, STEP_MS.0, STEP_MS.1);
    record.retry = Retry {
        after_ms: Some(wait),
        waiting: true,
    };
    out.timer(Timer::Pod(record.name.uid.clone()), wait);
}
