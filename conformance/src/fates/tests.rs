//! Open writes, settled.

use model::objects::kinds;

use super::*;
use crate::timeline::Place;

fn key() -> ObjectKey {
    ObjectKey::new(kinds::pods(), "default", "web")
}

pub(crate) fn moment(component: &str, incarnation: u64, said: Said) -> Moment {
    Moment {
        place: Place {
            component: component.into(),
            machine: component.into(),
            incarnation,
            sequence: 1,
        },
        revision: 0,
        at_ms: 0,
        said,
    }
}

pub(crate) fn wrote(revision: u64, version: u64) -> Moment {
    let changes = vec![Changed {
        key: key().path().into(),
        version,
        lease: 0,
    }];
    moment(
        "store",
        1,
        Said::Store(StoreAction::Wrote { revision, changes }),
    )
}

pub(crate) fn server(incarnation: u64, action: TransactionAction) -> Moment {
    moment("apiserver", incarnation, Said::Transaction(action))
}

pub(crate) fn attempt(id: u64, expected: u64, effect: Effect) -> Moment {
    let attempted = TransactionAction::Attempted {
        id,
        key: key(),
        uid: "u".to_owned(),
        expected,
        effect,
    };
    server(1, attempted)
}

/// What API servers say once the open writes are settled, with attempts left out.
fn settled(mut moments: Vec<Moment>) -> Vec<String> {
    settle(&mut moments);
    let said = moments.iter().filter_map(|moment| match &moment.said {
        Said::Transaction(TransactionAction::Committed { id, effect, .. }) => {
            Some(format!("{id} {effect:?} at {}", moment.revision))
        }
        Said::Transaction(TransactionAction::Unknown { id }) => Some(format!("{id} unknown")),
        Said::Transaction(TransactionAction::Answered { id, code }) => {
            Some(format!("{id} answered {code}"))
        }
        _ => None,
    });
    said.collect()
}

const UNKNOWN: fn(u64) -> Moment = |id| server(1, TransactionAction::Unknown { id });

#[test]
fn a_revision_that_nobody_claims_is_that_of_the_open_attempt_that_fits() {
    let moments = vec![
        wrote(3, 1),
        wrote(4, 2),
        attempt(7, 0, Effect::Created),
        UNKNOWN(7),
        attempt(8, 3, Effect::Deleting),
        UNKNOWN(8),
        attempt(9, 3, Effect::Deleted),
        UNKNOWN(9),
    ];
    let said = ["7 Created at 3", "8 Deleting at 4", "9 answered 504"];
    assert_eq!(settled(moments), said);
}

#[test]
fn attempts_that_fit_alike_and_differ_stay_unknown() {
    let moments = vec![
        wrote(4, 2),
        attempt(7, 3, Effect::Updated),
        UNKNOWN(7),
        attempt(8, 3, Effect::Deleting),
        UNKNOWN(8),
    ];
    assert_eq!(settled(moments), ["7 unknown", "8 unknown"]);
}

#[test]
fn what_a_killed_server_left_open_is_settled_and_what_one_that_goes_on_is_waited_for() {
    let later = || server(2, TransactionAction::Confirmed { id: 1 });
    let left = |moments: Vec<Moment>| settled(moments);
    let open = || vec![wrote(3, 1), attempt(7, 0, Effect::Created)];
    assert_eq!(left([open(), vec![later()]].concat()), ["7 Created at 3"]);
    let undone = vec![wrote(3, 1), attempt(7, 3, Effect::Deleted)];
    assert!(left(undone.clone()).is_empty());
    assert_eq!(left([undone, vec![later()]].concat()), ["7 answered 504"]);
    let without_a_store = vec![attempt(7, 0, Effect::Created), later()];
    assert_eq!(left(without_a_store), ["7 unknown"]);
}

#[test]
fn what_was_not_on_the_disk_when_the_store_ended_was_not_written() {
    let began = StoreAction::Started {
        revision: 2,
        compacted: 0,
        leases: vec![],
    };
    let moments = vec![
        wrote(3, 1),
        moment("store", 2, Said::Store(began)),
        attempt(7, 0, Effect::Created),
        UNKNOWN(7),
    ];
    assert_eq!(settled(moments), ["7 answered 504"]);
}

#[test]
fn what_a_server_had_heard_of_is_not_what_it_wrote_later() {
    // An event that went with its lease, before its deletion was asked for (seed 111009 of the simulation).
    let late = Moment {
        revision: 5,
        ..attempt(7, 3, Effect::Deleted)
    };
    let moments = vec![wrote(3, 1), wrote(4, 0), late, UNKNOWN(7)];
    assert_eq!(settled(moments), ["7 answered 504"]);
}
