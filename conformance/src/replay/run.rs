//! One machine, step by step.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use bincode::{Decode, Encode};
use model::machine::{Machine, Now, Out, Step};
use model::trace::digest::{Digest, of_requests};
use model::trace::inputs::{Outcome, Stamp, Taken};
use model::trace::{Header, Record};

use super::file::{Frame, Frames};
use super::{Difference, End, ReplayError, Replayed};
use crate::trace::Trace;

/// So much of an input, action or state is told, in characters.
const TOLD: usize = 2_000;

/// Runs a machine again.
pub(super) fn run<M>(
    mut frames: Frames<'_>,
    header: Header,
    trace: Option<Trace>,
) -> Result<Replayed, ReplayError>
where
    M: Machine<Durable: Decode<()>, Input: Decode<()>, Action: Encode + Decode<()>> + Decode<()>,
{
    let mut replayed = Replayed {
        header,
        steps: 0,
        states: 0,
        end: End::Open,
        difference: None,
    };
    let Frame::Step(frame) = frames.next()? else {
        return Ok(replayed);
    };
    type Beginning<M> = (Stamp, (M, Option<<M as Machine>::Durable>), Outcome);
    let (stamp, (machine, found), outcome): Beginning<M> = frames.decode(frame)?;
    let mut out = Out::new();
    let mut state = machine.start(found, Now(stamp.at_ms), &mut out);
    let began = machine.began(&state);
    let step = match began.is_empty() {
        true => Step::Nothing,
        false => Step::Moved(began),
    };
    let mut comparing = Comparing { trace, sequence: 0 };
    let mut made = comparing.compare(stamp, outcome, &step, &out, &state);
    let mut given = None;
    loop {
        match made {
            Made::AsRecorded { state } => {
                replayed.steps += 1;
                replayed.states += u64::from(state);
            }
            Made::Unfinished => {
                replayed.end = End::Unfinished;
                return Ok(replayed);
            }
            Made::Otherwise(difference) => {
                replayed.difference = Some(Difference {
                    given: match given {
                        None => "its start".to_owned(),
                        Some(frame) => {
                            let (_, input, _): (Stamp, M::Input, Outcome) = frames.decode(frame)?;
                            told(&input)
                        }
                    },
                    ..difference
                });
                return Ok(replayed);
            }
        }
        let frame = match frames.next()? {
            Frame::Step(frame) => frame,
            end => {
                replayed.end = match end {
                    Frame::Closed => End::Closed,
                    Frame::Limit => End::Limit,
                    _ => End::Open,
                };
                replayed.difference = comparing.left_over(replayed.steps, replayed.end);
                return Ok(replayed);
            }
        };
        given = Some(frame);
        let (stamp, input, outcome): (Stamp, M::Input, Outcome) = frames.decode(frame)?;
        out.drain();
        made = match stamp.step == replayed.steps {
            true => {
                let step = machine.step(&mut state, Now(stamp.at_ms), input, &mut out);
                comparing.compare(stamp, outcome, &step, &out, &state)
            }
            false => Made::Otherwise(difference(
                (replayed.steps, None),
                "the number of the step",
                stamp.step,
                replayed.steps,
            )),
        };
    }
}

enum Made {
    /// With whether the state was compared.
    AsRecorded {
        state: bool,
    },
    Unfinished,
    Otherwise(Difference),
}

/// What is recorded, beside what comes out.
struct Comparing {
    trace: Option<Trace>,
    /// The latest record that a step has left.
    sequence: u64,
}

impl Comparing {
    fn compare<M: Machine<Action: Encode + Decode<()>>>(
        &mut self,
        stamp: Stamp,
        outcome: Outcome,
        step: &Step<M::Action>,
        out: &Out<M>,
        state: &M::State,
    ) -> Made {
        let Outcome::Finished {
            taken,
            requests,
            state: recorded,
        } = outcome
        else {
            return Made::Unfinished;
        };
        let at = (stamp.step, None);
        let came = match step {
            Step::Moved(_) => "moved",
            Step::Nothing => "did nothing",
            Step::Refused(_) => "refused",
        };
        let was = match taken {
            Taken::Moved { .. } => "moved",
            Taken::Nothing => "did nothing",
            Taken::Refused => "refused",
        };
        if came != was {
            let told = format!("{came}: {}", told(step));
            return Made::Otherwise(difference(at, "what the step did", was, told));
        }
        if let (Step::Moved(actions), Taken::Moved { sequence, revision }) = (step, taken)
            && let Some(difference) = self.record(stamp, actions, sequence, revision)
        {
            return Made::Otherwise(difference);
        }
        if of_requests(out) != requests {
            let told = told(&out.requests().len());
            return Made::Otherwise(difference(at, "what it asked for", "another digest", told));
        }
        let Some(recorded) = recorded else {
            return Made::AsRecorded { state: false };
        };
        let mut digest = Digest::new();
        state.hash(&mut digest);
        match digest.finish() == recorded {
            true => Made::AsRecorded { state: true },
            false => Made::Otherwise(difference(at, "the state", "another digest", told(state))),
        }
    }

    /// The record of a step that moved is the next one of the trace, and says what came out.
    fn record<A: Encode + Decode<()> + Debug>(
        &mut self,
        stamp: Stamp,
        actions: &[A],
        sequence: u64,
        revision: u64,
    ) -> Option<Difference> {
        self.sequence += 1;
        let at = (stamp.step, Some(self.sequence));
        if sequence != self.sequence {
            let what = "the number of the record";
            return Some(difference(at, what, sequence, self.sequence));
        }
        let trace = self.trace.as_ref()?;
        let place = sequence.checked_sub(trace.part.first_sequence)?;
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let Some(record) = trace.records.get(place) else {
            let told = told(&actions);
            return Some(difference(at, "the record", "it is not there", told));
        };
        let encoded = actions
            .iter()
            .map(|action| bincode::encode_to_vec(action, bincode::config::standard()));
        let expected = Record {
            sequence,
            cause: stamp.cause,
            revision,
            at_ms: stamp.at_ms,
            actions: encoded.filter_map(Result::ok).collect(),
        };
        if *record == expected {
            return None;
        }
        if record.actions != expected.actions {
            let recorded: Vec<_> = record
                .actions
                .iter()
                .map(|bytes| word::<A>(bytes))
                .collect();
            return Some(difference(
                at,
                "the actions",
                told(&recorded),
                told(&actions),
            ));
        }
        let stamp = |record: &Record| (record.cause, record.revision, record.at_ms);
        let (recorded, expected) = (told(&stamp(record)), told(&stamp(&expected)));
        let what = "cause, revision or time of the record";
        Some(difference(at, what, recorded, expected))
    }

    /// A machine that has ended in order has left no record that no step accounts for.
    fn left_over(&self, steps: u64, end: End) -> Option<Difference> {
        let trace = self.trace.as_ref()?;
        let last = trace.part.first_sequence + trace.records.len() as u64 - 1;
        (end == End::Closed && last > self.sequence).then(|| Difference {
            given: "nothing".to_owned(),
            ..difference(
                (steps, Some(self.sequence + 1)),
                "the records",
                format!("the trace ends with record {last}"),
                format!("the last step left record {}", self.sequence),
            )
        })
    }
}

fn difference(
    (step, record): (u64, Option<u64>),
    what: &'static str,
    recorded: impl ToString,
    replayed: impl ToString,
) -> Difference {
    Difference {
        step,
        record,
        what,
        recorded: recorded.to_string(),
        replayed: replayed.to_string(),
        given: String::new(),
    }
}

/// An action as it is recorded, in words if it is one.
fn word<A: Decode<()> + Debug>(bytes: &[u8]) -> String {
    match bincode::decode_from_slice::<A, _>(bytes, bincode::config::standard()) {
        Ok((action, used)) if used == bytes.len() => format!("{action:?}"),
        _ => format!("{} bytes that are no action", bytes.len()),
    }
}

fn told(value: &impl Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((end, _)) = text.char_indices().nth(TOLD) {
        text.truncate(end);
        text.push('…');
    }
    text
}
