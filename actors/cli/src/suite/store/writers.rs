//! Writers: compare and swap, plain writes, several keys at once, deletions; on few keys, so that they meet.

use std::collections::BTreeMap;
use std::rc::Rc;

use conformance::suite::store::observed::{Answer, State, Write};
use model::machines::relay::CallError;
use model::messages::store::{
    Compare, KeyRange, KeyValue, Operand, Operation, OperationResult, RangeRequest, Relation,
    StoreError, StoreRequest, StoreResponse, Transaction,
};
use model::objects::bytes::Bytes;

use super::client::Client;
use super::session::Shared;
use super::unexpected;
use crate::suite::random::Random;

/// The keys of a session.
pub(super) fn key(number: u64) -> String {
    format!("/k/{number}")
}

pub(super) fn keys(clients: u32) -> u64 {
    u64::from(clients).max(4)
}

/// Writes until writing is over.
pub(super) async fn write<C: Client>(shared: Rc<Shared<C>>, client: u32) -> anyhow::Result<()> {
    let mut random = Random::of(shared.plan.seed, client);
    // What this writer last heard of each key's last revision.
    let mut heard: BTreeMap<String, u64> = BTreeMap::new();
    while shared.last().is_none() {
        let (compare, changes) = choose(&shared, &mut random, &heard);
        let (began_us, asked) = (shared.clock.now_us(), request(&compare, &changes));
        let answered = shared.store.ask(asked).await;
        let answer = understood(answered)?;
        match &answer {
            Answer::Done(revision) => {
                shared.told(*revision);
                for (key, value) in &changes {
                    heard.insert(key.clone(), value.map_or(0, |_| *revision));
                }
            }
            Answer::Lost { revision, found } => {
                shared.told(*revision);
                if let Some((key, _)) = &compare {
                    heard.insert(key.clone(), found.map_or(0, |state| state.modified));
                }
            }
            Answer::Refused(_) | Answer::Unknown => {}
        }
        shared.observed.borrow_mut().writes.push(Write {
            client,
            began_us,
            ended_us: shared.clock.now_us(),
            compare,
            changes,
            answer,
        });
    }
    Ok(())
}

type Chosen = (Option<(String, u64)>, Vec<(String, Option<u64>)>);

fn choose<C: Client>(
    shared: &Shared<C>,
    random: &mut Random,
    heard: &BTreeMap<String, u64>,
) -> Chosen {
    let keys = keys(shared.plan.clients);
    let first = random.below(keys);
    let name = key(first);
    let known = heard.get(&name).copied();
    match random.below(10) {
        // A deletion is of a key that was there, as far as is known.
        0 | 1 if known.is_some_and(|at| at > 0) => {
            (Some((name.clone(), known.unwrap_or(0))), vec![(name, None)])
        }
        2 | 3 => (None, vec![(name, Some(shared.value()))]),
        4 | 5 => {
            let several = (0..3).map(|n| (key((first + n) % keys), Some(shared.value())));
            (None, several.collect())
        }
        _ => (
            Some((name.clone(), known.unwrap_or(0))),
            vec![(name, Some(shared.value()))],
        ),
    }
}

fn request(
    compare: &Option<(String, u64)>,
    changes: &[(String, Option<u64>)],
) -> StoreRequest<Bytes> {
    let compares = compare.iter().map(|(key, revision)| Compare {
        key: key.as_str().into(),
        operand: Operand::ModRevision(*revision),
        relation: Relation::Equal,
    });
    let success = changes.iter().map(|(key, value)| match value {
        Some(value) => Operation::Put {
            key: key.as_str().into(),
            value: Bytes::from(&*value.to_string()),
            lease: 0,
        },
        None => Operation::Delete {
            range: KeyRange::one(key),
            previous: false,
        },
    });
    let failure = compare
        .iter()
        .map(|(key, _)| Operation::Range(RangeRequest::now(KeyRange::one(key))));
    StoreRequest::Transaction(Transaction {
        compares: compares.collect(),
        success: success.collect(),
        failure: failure.collect(),
    })
}

fn understood(answer: Result<StoreResponse<Bytes>, CallError>) -> anyhow::Result<Answer> {
    Ok(match answer {
        Ok(StoreResponse::Transaction {
            revision,
            succeeded: true,
            ..
        }) => Answer::Done(revision),
        Ok(StoreResponse::Transaction {
            revision, results, ..
        }) => {
            let found = match results.first() {
                Some(OperationResult::Range(range)) => {
                    range.items.first().map(state).transpose()?
                }
                other => return unexpected("a read in a transaction", other),
            };
            Answer::Lost { revision, found }
        }
        Ok(StoreResponse::Failed(StoreError::Unknown { .. } | StoreError::Failed { .. }))
        | Err(CallError::Lost { .. }) => Answer::Unknown,
        Ok(StoreResponse::Failed(error)) => Answer::Refused(error.to_string()),
        Err(CallError::Unsent { reason }) => Answer::Refused(reason),
        other => return unexpected("a transaction", other),
    })
}

/// A key's state as the suite writes it down.
///
/// # Errors
/// If it holds what no writer wrote.
pub(super) fn state(found: &KeyValue<Bytes>) -> anyhow::Result<State> {
    let text = found.value.as_deref().map(std::str::from_utf8);
    let Some(Ok(Ok(value))) = text.map(|text| text.map(str::parse)) else {
        return unexpected("a read of a number", found);
    };
    Ok(State {
        created: found.create_revision,
        modified: found.mod_revision,
        version: found.version,
        value,
    })
}
