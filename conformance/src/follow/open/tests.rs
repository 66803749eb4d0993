//! Open writes, settled while traces grow.

use model::actions::transaction::Effect;

use super::*;
use crate::fates::tests::{attempt, moment, server, wrote};

fn started(revision: u64) -> Moment {
    let started = StoreAction::Started {
        revision,
        compacted: 0,
        leases: Vec::new(),
    };
    moment("store", 1, Said::Store(started))
}

fn persisted(through: u64) -> Moment {
    moment("store", 1, Said::Store(StoreAction::Persisted { through }))
}

/// What is said of each write, pass by pass, with the passes in which nothing is said counted.
fn told(open: &mut OpenWrites, passes: u64) -> Vec<(u64, String)> {
    let mut told = Vec::new();
    for pass in 0..passes {
        for moment in open.begin_pass() {
            let said = match &moment.said {
                Said::Transaction(TransactionAction::Committed { id, .. }) => {
                    format!("{id} at {}", moment.revision)
                }
                Said::Transaction(TransactionAction::Unknown { id }) => format!("{id} unknown"),
                said => format!("{said:?}"),
            };
            told.push((pass, said));
        }
    }
    told
}

fn reads(open: &mut OpenWrites, moments: Vec<Moment>) {
    for moment in moments {
        assert!(open.read(&moment), "{moment:?}");
    }
}

fn unknown(id: u64) -> Moment {
    server(1, TransactionAction::Unknown { id })
}

fn sent(id: u64, effect: Effect) -> OpenWrites {
    let mut open = OpenWrites::default();
    reads(
        &mut open,
        vec![started(1), wrote(5, 1), attempt(id, 5, effect)],
    );
    open.unclaimed.clear();
    open
}

#[test]
fn what_a_killed_server_wrote_is_its_own() {
    let mut open = sent(1, Effect::Updated);
    reads(&mut open, vec![wrote(6, 2), persisted(6)]);
    assert_eq!(told(&mut open, 5), [], "it may answer yet");
    assert!(open.waits_for(6) && !open.waits_for(5));
    open.server_started(&"apiserver".into(), 2);
    assert_eq!(told(&mut open, 2), [(1, "1 at 6".to_owned())]);
    assert!(!open.waits_for(6));
}

#[test]
fn what_no_revision_fits_stays_unknown_after_long() {
    let mut open = sent(1, Effect::Updated);
    open.server_started(&"apiserver".into(), 2);
    let told = told(&mut open, WAITED_PASSES + 10);
    assert_eq!(told, [(WAITED_PASSES, "1 unknown".to_owned())]);
}

#[test]
fn of_two_that_may_have_written_a_revision_neither_is_known() {
    let mut open = sent(1, Effect::Updated);
    reads(
        &mut open,
        vec![attempt(2, 5, Effect::Deleting), wrote(6, 2), persisted(6)],
    );
    open.server_started(&"apiserver".into(), 2);
    let both = [(1, "1 unknown".to_owned()), (1, "2 unknown".to_owned())];
    assert_eq!(told(&mut open, 5), both);
    assert!(!open.waits_for(6));
}

#[test]
fn what_a_server_does_not_know_the_store_may_tell() {
    let mut open = sent(1, Effect::Updated);
    assert!(!open.read(&unknown(1)), "it may be known yet");
    reads(&mut open, vec![wrote(6, 2)]);
    assert_eq!(told(&mut open, 3), [], "it is not on the disk");
    reads(&mut open, vec![persisted(6)]);
    assert_eq!(told(&mut open, 3), [(0, "1 at 6".to_owned())]);
}

#[test]
fn where_no_store_tells_what_is_unknown_stays_so() {
    let mut open = OpenWrites::default();
    reads(&mut open, vec![attempt(1, 5, Effect::Updated), unknown(1)]);
    reads(&mut open, vec![attempt(2, 5, Effect::Updated)]);
    open.server_started(&"apiserver".into(), 2);
    assert_eq!(told(&mut open, 5), [(0, "2 unknown".to_owned())]);
}

#[test]
fn what_was_not_on_the_disk_is_not_waited_for() {
    let mut open = sent(1, Effect::Updated);
    reads(&mut open, vec![wrote(6, 2)]);
    assert!(open.waits_for(6));
    reads(&mut open, vec![started(5)]);
    assert!(!open.waits_for(6));
    // The same revision again, of another attempt that saw the same.
    open.server_started(&"apiserver".into(), 2);
    reads(&mut open, vec![wrote(6, 2), persisted(6)]);
    assert_eq!(told(&mut open, 3), [(1, "1 at 6".to_owned())]);
}

fn committed(sent: &Moment, revision: u64) -> Moment {
    match &sent.said {
        Said::Transaction(action) => {
            let attempt = Attempt::of(action).expect("an attempt");
            server(1, attempt.committed(revision))
        }
        said => panic!("{said:?}"),
    }
}

/// The first store ended before revision 6 was on its disk; the second made it of what another attempt asked for, and
/// that is read before the second store's trace is.
#[test]
fn a_revision_that_was_made_twice_is_that_of_who_says_so() {
    let mut open = sent(1, Effect::Updated);
    reads(&mut open, vec![wrote(6, 2)]);
    assert!(!open.read(&unknown(1)), "it may be known yet");
    let other = attempt(2, 5, Effect::Deleting);
    let says_so = committed(&other, 6);
    reads(&mut open, vec![other, says_so]);
    reads(&mut open, vec![started(5), wrote(6, 2), persisted(6)]);
    assert!(!open.waits_for(6));
    let told = told(&mut open, WAITED_PASSES + 10);
    assert_eq!(told, [(WAITED_PASSES, "1 unknown".to_owned())]);
}

/// The API server's trace is read before the store's.
#[test]
fn what_is_committed_before_its_store_is_heard_is_not_waited_for() {
    let mut open = OpenWrites::default();
    let attempted = attempt(1, 0, Effect::Created);
    let committed = committed(&attempted, 2);
    reads(&mut open, vec![attempted, committed]);
    reads(&mut open, vec![started(1), wrote(2, 1), persisted(2)]);
    assert!(!open.waits_for(2));
}

#[test]
fn what_expires_is_waited_for_only_if_somebody_may_have_deleted_it() {
    let event = ObjectKey::new(kinds::events(), "d", "a");
    let expired = |revision| {
        let changes = vec![Changed {
            key: event.path().into(),
            version: 0,
            lease: 0,
        }];
        let said = Said::Store(StoreAction::Wrote { revision, changes });
        moment("store", 1, said)
    };
    let mut open = OpenWrites::default();
    reads(&mut open, vec![started(1), expired(2), persisted(2)]);
    assert!(
        open.waits_for(2),
        "the attempt to delete it may be read yet"
    );
    assert_eq!(told(&mut open, 1), []);
    assert!(!open.waits_for(2));

    let attempted = TransactionAction::Attempted {
        id: 1,
        key: event.clone(),
        uid: "u".to_owned(),
        expected: 3,
        effect: Effect::Deleted,
    };
    reads(
        &mut open,
        vec![server(1, attempted), expired(4), persisted(4)],
    );
    assert_eq!(told(&mut open, 5), []);
    assert!(open.waits_for(4), "its commit may come");
    let committed = TransactionAction::Committed {
        id: 1,
        key: event.clone(),
        uid: "u".to_owned(),
        revision: 4,
        effect: Effect::Deleted,
    };
    reads(&mut open, vec![server(1, committed)]);
    assert!(!open.waits_for(4));
}
