//! Pods that may be active on their node for a limited time only (kubernetes `pkg/kubelet/active_deadline.go`).

use crate::actions::kubelet::KubeletAction;
use crate::machine::{Now, Out, Step};
use crate::machines::kubelet::Kubelet;
use crate::machines::kubelet::ended::tell;
use crate::machines::kubelet::input::Timer;
use crate::machines::kubelet::state::{Admission, Record, State};
use crate::rules::time;

/// Why such a pod has failed, in a word.
pub const REASON: &str = "DeadlineExceeded";

/// The same for people.
pub const MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

/// Looks whether the pod has been active for too long, and sees to it that this is looked at when it will have been.
pub fn observe(record: &mut Record, now: Now, out: &mut Out<Kubelet>) {
    let Some(due) = due(record) else {
        return;
    };
    if now >= due {
        record.overdue = true;
        tell(record, "", false, REASON, MESSAGE, out);
    } else if record.deadline != Some(due) {
        record.deadline = Some(due);
        let uid = record.name.uid.clone();
        out.timer(Timer::Deadline(uid), due.0.saturating_sub(now.0));
    }
}

/// The timer is over; clocks may differ by a little.
pub fn fired(state: &mut State, uid: &str) -> Step<KubeletAction> {
    let timer = state
        .pods
        .get_mut(uid)
        .and_then(|record| record.deadline.take());
    match timer {
        Some(_) => Step::Moved(Vec::new()),
        None => Step::Nothing,
    }
}

/// When a pod that is active now will have been for too long.
fn due(record: &Record) -> Option<Now> {
    let limit_s = record.pod.as_ref()?.active_deadline_s?;
    let start = time::parse(record.start_time.as_deref()?).ok()?;
    let active = record.admission == Admission::Admitted && record.ending(false).is_none();
    (active && !record.overdue).then(|| Now(start.0.saturating_add(limit_s.saturating_mul(1_000))))
}
