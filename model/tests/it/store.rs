//! Scenarios of the store, and its transition table.
//!
//! ```text
//! put KEY VALUE [lease=ID]
//! txn [if FIELD(KEY) RELATION NUMBER …] then OPERATION … [else OPERATION …]
//!     FIELD: create mod version lease value; OPERATION: put(KEY,VALUE) delete(KEYS) range(KEYS)
//! get KEYS [at=REVISION] [limit=N] [keys] [count]
//! lease grant ID TTL | lease keep-alive ID | lease revoke ID
//! watch ID KEYS [after=REVISION] [previous] | taken ID | unwatch ID
//! compact REVISION | progress | status
//! persisted REVISION | persist-failed REASON
//! fire TIMER
//! ```
//!
//! `KEYS` is a key, or a prefix and a star. Asks are numbered from 1.

use std::collections::BTreeSet;

use model::actions::store::StoreAction;
use model::machine::{Machine, Now, Out};
use model::machines::store::{Durable, Input, Limits, State, Store};
use model::messages::store::{
    Compare, KeyRange, Operand, Operation, RangeRequest, Relation, StoreRequest, Transaction,
    WatchRequest,
};

use crate::scenario::{Player, Rig, play_all};

struct Scenario<'a> {
    rig: Rig<Store<u8>>,
    asks: u64,
    transitions: &'a std::cell::RefCell<BTreeSet<String>>,
}

impl Drop for Scenario<'_> {
    fn drop(&mut self) {
        self.transitions.borrow_mut().extend(self.rig.transitions());
    }
}

#[test]
fn scenarios() {
    let transitions = std::cell::RefCell::new(BTreeSet::new());
    let limits = Limits {
        frames: 2,
        history_revisions: 6,
        compaction_step: 2,
        message_bytes: 3,
        key_bytes: 8,
        request_bytes: 12,
        operations: 3,
        lease_keys: 2,
        leases: 2,
        watches: 2,
        waiting: 4,
        live_bytes: 24,
        ..Limits::default()
    };
    play_all("store", || Scenario {
        rig: Rig::new(Store::new(limits.clone())).0,
        asks: 0,
        transitions: &transitions,
    });
    let table: Vec<String> = transitions.into_inner().into_iter().collect();
    insta::assert_snapshot!("store_transitions", table.join("\n"));
}

/// The first words of a trace.
#[test]
fn a_start_says_what_was_on_disk() {
    let mut found = Durable::default();
    found.leases.insert(7, 10);
    let store = Store::<u8>::new(Limits::default());
    let state = store.start(Some(found), Now(0), &mut Out::new());
    let said = StoreAction::Started {
        revision: 1,
        compacted: 0,
        leases: vec![7],
    };
    assert_eq!(store.began(&state), [said]);
}

fn phase(state: &State<u8>) -> String {
    match (state.failed(), state.is_committing()) {
        (Some(_), _) => "failed",
        (None, true) => "committing",
        (None, false) => "idle",
    }
    .to_owned()
}

impl Player for Scenario<'_> {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let (verb, rest) = command
            .split_once(char::is_whitespace)
            .unwrap_or((command, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let input = match verb {
            "fire" => return self.rig.fire(phase, rest),
            // late LEASE LIFE: a timer that was taken back fires after all.
            "late" => Input::LeaseRanOut {
                lease: number(word(&words, 0)?)?,
                life: u8::try_from(number(word(&words, 1)?)?).map_err(|error| error.to_string())?,
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
            "persisted" => Input::Persisted {
                through: number(rest)?,
            },
            "persist-failed" => Input::PersistFailed {
                reason: rest.to_owned(),
            },
            _ => {
                self.asks += 1;
                Input::Ask {
                    from: self.asks,
                    request: request(verb, &words)?,
                }
            }
        };
        Ok(self.rig.step(phase, input))
    }
}

pub(crate) fn request(verb: &str, words: &[&str]) -> Result<StoreRequest<u8>, String> {
    Ok(match verb {
        "put" => {
            let operation = Operation::Put {
                key: word(words, 0)?.into(),
                value: number(word(words, 1)?)? as u8,
                lease: option(words, "lease=")?.unwrap_or(0),
            };
            StoreRequest::Transaction(Transaction {
                compares: vec![],
                success: vec![operation],
                failure: vec![],
            })
        }
        "txn" => StoreRequest::Transaction(transaction(words)?),
        "get" => StoreRequest::Range(RangeRequest {
            revision: option(words, "at=")?,
            limit: option(words, "limit=")?.unwrap_or(0) as u32,
            keys_only: words.contains(&"keys"),
            count_only: words.contains(&"count"),
            ..RangeRequest::now(keys(word(words, 0)?))
        }),
        "lease" => {
            let lease = number(word(words, 1)?)?;
            match word(words, 0)? {
                "grant" => StoreRequest::LeaseGrant {
                    lease,
                    ttl_seconds: number(word(words, 2)?)? as u32,
                },
                "keep-alive" => StoreRequest::LeaseKeepAlive { lease },
                "revoke" => StoreRequest::LeaseRevoke { lease },
                other => return Err(format!("lease {other}?")),
            }
        }
        "compact" => StoreRequest::Compact {
            revision: number(word(words, 0)?)?,
        },
        "progress" => StoreRequest::Progress,
        "status" => StoreRequest::Status,
        other => return Err(format!("{other}?")),
    })
}

fn transaction(words: &[&str]) -> Result<Transaction<u8>, String> {
    let mut transaction = Transaction {
        compares: vec![],
        success: vec![],
        failure: vec![],
    };
    let mut part = "then";
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (*word, part) {
            ("if" | "then" | "else", _) => part = word,
            (field, "if") => {
                let (relation, right) = (
                    words.next().ok_or("no relation")?,
                    words.next().ok_or("no number")?,
                );
                transaction
                    .compares
                    .push(compare(field, relation, number(right)?)?);
            }
            (text, "then") => transaction.success.push(operation(text)?),
            (text, _) => transaction.failure.push(operation(text)?),
        }
    }
    Ok(transaction)
}

fn compare(field: &str, relation: &str, right: u64) -> Result<Compare<u8>, String> {
    let (field, key) = call(field)?;
    Ok(Compare {
        key: key.into(),
        operand: match field {
            "create" => Operand::CreateRevision(right),
            "mod" => Operand::ModRevision(right),
            "version" => Operand::Version(right),
            "lease" => Operand::Lease(right),
            "value" => Operand::Value(right as u8),
            other => return Err(format!("{other}?")),
        },
        relation: match relation {
            "=" => Relation::Equal,
            "!=" => Relation::NotEqual,
            "<" => Relation::Less,
            ">" => Relation::Greater,
            other => return Err(format!("{other}?")),
        },
    })
}

fn operation(text: &str) -> Result<Operation<u8>, String> {
    let (verb, argument) = call(text)?;
    Ok(match verb {
        "put" => {
            let (key, value) = argument.split_once(',').ok_or("put(KEY,VALUE)")?;
            Operation::Put {
                key: key.into(),
                value: number(value)? as u8,
                lease: 0,
            }
        }
        "delete" => Operation::Delete {
            range: keys(argument),
            previous: true,
        },
        "range" => Operation::Range(RangeRequest::now(keys(argument))),
        other => return Err(format!("{other}?")),
    })
}

pub(crate) fn call(text: &str) -> Result<(&str, &str), String> {
    text.strip_suffix(')')
        .and_then(|text| text.split_once('('))
        .ok_or_else(|| format!("{text}: not NAME(…)"))
}

pub(crate) fn keys(text: &str) -> KeyRange {
    match text.strip_suffix('*') {
        Some(prefix) => KeyRange::prefix(prefix),
        None => KeyRange::one(text),
    }
}

pub(crate) fn word<'a>(words: &[&'a str], nth: usize) -> Result<&'a str, String> {
    words
        .get(nth)
        .copied()
        .ok_or_else(|| format!("word {nth} is missing"))
}

pub(crate) fn option(words: &[&str], name: &str) -> Result<Option<u64>, String> {
    words
        .iter()
        .find_map(|word| word.strip_prefix(name))
        .map(number)
        .transpose()
}

pub(crate) fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}
