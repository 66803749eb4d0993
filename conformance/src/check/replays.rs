//! Machines run again from their recorded inputs, as a verdict among those of the specifications.

use std::path::PathBuf;
use std::rc::Rc;

use super::{CheckError, Rejection, Verdict};
use crate::replay::{Difference, Replayed, replay};
use crate::timeline::{Place, traces_of};

/// What the verdict is called.
pub const REPLAY: &str = "replay";

/// Runs again every machine whose inputs are recorded beside one of these traces.
///
/// # Errors
/// If files cannot be read as what they are. A difference is no error: it is in the verdict.
pub fn replayed(paths: &[PathBuf]) -> Result<Verdict, CheckError> {
    let mut verdict = Verdict {
        specification: REPLAY,
        subjects: 0,
        actions: 0,
        rejections: Vec::new(),
    };
    for trace in traces_of(paths)? {
        let inputs = trace.with_extension("inputs");
        if !inputs.exists() {
            continue;
        }
        let replayed = replay(&inputs)?;
        verdict.subjects += 1;
        verdict.actions += replayed.steps;
        if let Some(difference) = &replayed.difference {
            verdict.rejections.push(rejection(&replayed, difference));
        }
    }
    Ok(verdict)
}

fn rejection(replayed: &Replayed, difference: &Difference) -> Rejection {
    let header = &replayed.header;
    let component: Rc<str> = header.component.as_str().into();
    let machine: Rc<str> = header.machine.as_str().into();
    let Difference {
        step,
        record,
        what,
        recorded,
        replayed,
        given,
    } = difference;
    Rejection {
        subject: format!("{component}.{machine}.{}", header.incarnation),
        place: record.map(|sequence| Place {
            component: component.clone(),
            machine: machine.clone(),
            incarnation: header.incarnation,
            sequence,
        }),
        action: format!("step {step}, given {given}"),
        guard: "the same inputs lead to the same steps",
        detail: format!("{what}: recorded {recorded}, run again {replayed}"),
        before: Vec::new(),
        state: String::new(),
    }
}
