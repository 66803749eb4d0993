//! Scenarios of the relay, and its transition table.
//!
//! ```text
//! put KEY VALUE, get KEYS, compact REVISION, progress, status, lease …     as in `store.rs`; asks are numbered from 1
//! called ASK wrote REVISION | read REVISION COUNT | at REVISION | lost | unsent | compacted REVISION
//! attached AFTER REVISION [EVENT …] | fed REVISION [EVENT …] | detached REASON
//!     EVENT: put(KEY,REVISION) delete(KEY,REVISION); each also carries what the key was before
//! watch ID KEYS [after=REVISION] [previous] | taken ID | unwatch ID
//! fire TIMER | late TIMER: fires though it was taken back
//! ```

use std::cell::RefCell;
use std::collections::BTreeSet;

use model::actions::store::StoreAction;
use model::machine::{Machine, Now, Out};
use model::machines::relay::{Attachment, CallError, Input, Relay, State};
use model::machines::store::Limits;
use model::messages::store::{
    Event, KeyValue, OperationResult, RangeResponse, StoreError, StoreResponse, WatchRequest,
};

use crate::scenario::{Player, Rig, play_all};
use crate::store::{call, keys, number, option, request, word};

struct Scenario<'a> {
    rig: Rig<Relay<u8>>,
    asks: u64,
    transitions: &'a RefCell<BTreeSet<String>>,
}

impl Drop for Scenario<'_> {
    fn drop(&mut self) {
        self.transitions.borrow_mut().extend(self.rig.transitions());
    }
}

#[test]
fn scenarios() {
    let transitions = RefCell::new(BTreeSet::new());
    let limits = Limits {
        frames: 2,
        history_revisions: 4,
        compaction_step: 1,
        message_bytes: 3,
        step_bytes: 40,
        changes: 2,
        watches: 3,
        waiting: 2,
        ..Limits::default()
    };
    play_all("relay", || Scenario {
        rig: Rig::new(Relay::new(limits.clone())).0,
        asks: 0,
        transitions: &transitions,
    });
    let table: Vec<String> = transitions.into_inner().into_iter().collect();
    insta::assert_snapshot!("relay_transitions", table.join("\n"));
}

/// The first words of a trace.
#[test]
fn a_start_says_what_was_found() {
    let relay = Relay::<u8>::new(Limits::default());
    let found = Attachment {
        after: 3,
        revision: 5,
        events: vec![],
    };
    let began = |found| relay.began(&relay.start(found, Now(0), &mut Out::new()));
    let (revision, after) = (5, 3);
    assert_eq!(
        began(Some(found)),
        [StoreAction::Attached { revision, after }]
    );
    let reason = "it was not reached yet".to_owned();
    assert_eq!(began(None), [StoreAction::Detached { reason }]);
}

fn phase(state: &State<u8>) -> String {
    match state.is_away() {
        true => "away",
        false => "attached",
    }
    .to_owned()
}

impl Scenario<'_> {
    fn input(&mut self, line: &str) -> Result<Input<u8>, String> {
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        Ok(match verb {
            "late" => match rest {
                "SendRest" => Input::SendRest,
                "Mark" => Input::MarkDue,
                "GiveUp" => Input::GiveUp,
                other => return Err(format!("{other}?")),
            },
            "attached" => Input::Attached(Attachment {
                after: number(word(&words, 0)?)?,
                revision: number(word(&words, 1)?)?,
                events: events(&words[2..])?,
            }),
            "fed" => Input::Fed {
                revision: number(word(&words, 0)?)?,
                events: events(&words[1..])?,
            },
            "detached" => Input::Detached {
                reason: rest.to_owned(),
            },
            "called" => Input::Called {
                call: number(word(&words, 0)?)?,
                answer: answer(&words[1..])?,
            },
            "watch" => Input::Watch {
                watch: number(word(&words, 0)?)?,
                request: WatchRequest {
                    range: keys(word(&words, 1)?),
                    after: option(&words, "after=")?,
                    previous: words.contains(&"previous"),
                },
            },
            "taken" => Input::Taken {
                watch: number(rest)?,
            },
            "unwatch" => Input::Unwatch {
                watch: number(rest)?,
            },
            _ => {
                self.asks += 1;
                Input::Ask {
                    from: self.asks,
                    request: request(verb, &words)?,
                }
            }
        })
    }
}

impl Player for Scenario<'_> {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let mut told = Vec::new();
        for line in command.lines() {
            told.push(match line.strip_prefix("fire ") {
                Some(timer) => self.rig.fire(phase, timer)?,
                None => {
                    let input = self.input(line)?;
                    self.rig.step(phase, input)
                }
            });
        }
        Ok(told.join("\n"))
    }
}

fn events(words: &[&str]) -> Result<Vec<Event<u8>>, String> {
    let event = |word: &&str| -> Result<Event<u8>, String> {
        let (verb, argument) = call(word)?;
        let (key, revision) = argument.split_once(',').ok_or("EVENT(KEY,REVISION)")?;
        let revision = number(revision)?;
        let state = |mod_revision| KeyValue {
            key: key.into(),
            create_revision: 1,
            mod_revision,
            version: mod_revision,
            lease: 0,
            value: Some(1),
        };
        Ok(match verb {
            "put" => Event::Put {
                now: state(revision),
                previous: Some(state(1)),
            },
            "delete" => Event::Deleted {
                key: key.into(),
                revision,
                previous: Some(state(1)),
            },
            other => return Err(format!("{other}?")),
        })
    };
    words.iter().map(event).collect()
}

fn answer(words: &[&str]) -> Result<Result<StoreResponse<u8>, CallError>, String> {
    let reason = "the connection broke".to_owned();
    let revision = || number(word(words, 1)?);
    Ok(match word(words, 0)? {
        "lost" => Err(CallError::Lost { reason }),
        "unsent" => Err(CallError::Unsent { reason }),
        "at" => Ok(StoreResponse::Done {
            revision: revision()?,
        }),
        "compacted" => Ok(StoreResponse::Failed(StoreError::Compacted {
            compacted: revision()?,
        })),
        "wrote" => Ok(StoreResponse::Transaction {
            revision: revision()?,
            succeeded: true,
            results: vec![OperationResult::Put],
        }),
        "read" => Ok(StoreResponse::Range(RangeResponse {
            revision: revision()?,
            items: vec![],
            more: false,
            count: number(word(words, 2)?)?,
        })),
        other => return Err(format!("{other}?")),
    })
}
