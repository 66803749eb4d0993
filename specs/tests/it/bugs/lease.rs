//! Faults of leases. Each is caught by the property of its row, and by no run without faults.

use model::machines::store::{Input, Limits, Output, Record, State, Store};
use model::messages::store::StoreRequest;
use specs::checked::Checked;
use specs::lease::{Choice, LeaseWorld, Stores, Verb};
use specs::world::{Kind, World};

use super::altered::{Fault, Faulty, fault};
use super::matrix::{Row, kill};
use super::store::AnswersTooEarly;

/// Asks for what nobody asked for.
const NOBODY: u64 = 99;

fault! {
    /// A timer is a timer: whichever life of a lease it was set for, it ends the one that there is.
    AnyTimerCounts of Store<u8> {
        fn input(&self, _: &State<u8>, input: Input<u8>) -> Option<Input<u8>> {
            let Input::LeaseRanOut { lease, .. } = input else { return Some(input) };
            let request = StoreRequest::LeaseRevoke { lease };
            Some(Input::Ask { from: NOBODY, request })
        }

        fn output(&self, _: &State<u8>, output: Output<u8>) -> Option<Output<u8>> {
            (!matches!(output, Output::Answer { to: NOBODY, .. })).then_some(output)
        }
    }
}

fault! {
    /// The end of a lease and the deletion of its keys are not one commit.
    LeavesKeysBehind of Store<u8> {
        fn output(&self, _: &State<u8>, mut output: Output<u8>) -> Option<Output<u8>> {
            if let Output::Persist { records, .. } = &mut output
                && records.iter().any(|record| matches!(record, Record::LeaseEnded { .. }))
            {
                records.retain(|record| !matches!(record, Record::Revision { .. }));
            }
            Some(output)
        }
    }
}

fault! {
    /// A lease that has ended is not written down as such: a crash brings it back.
    RevivesALease of Store<u8> {
        fn output(&self, _: &State<u8>, mut output: Output<u8>) -> Option<Output<u8>> {
            if let Output::Persist { records, .. } = &mut output {
                records.retain(|record| !matches!(record, Record::LeaseEnded { .. }));
            }
            Some(output)
        }
    }
}

/// A hunt that looks at more states has failed.
const MOST: usize = 300_000;

/// Every row of leases.
pub fn rows() -> Vec<Row> {
    vec![
        row(
            "a timer of an earlier life",
            AnyTimerCounts,
            "a lease that is kept alive does not end before its time",
        ),
        row(
            "an end that leaves keys behind",
            LeavesKeysBehind,
            "no key outlives its lease",
        ),
        row(
            "an end that is not written down",
            RevivesALease,
            "a lease that was told to have ended stays so",
        ),
        row(
            "etcd 14370 with a lease",
            AnswersTooEarly,
            "a lease that was told of is durable",
        ),
    ]
}

fn row<F>(bug: &'static str, fault: F, property: &'static str) -> Row
where
    F: Fault<Store<u8>> + Send + Sync + 'static,
{
    Row {
        specification: "lease",
        bug,
        property,
        kill: Box::new(move || {
            let machine = Store::new(Limits::default());
            let fault = fault.clone();
            let world = world(Faulty { machine, fault });
            assert_eq!(calm(&world), None, "{bug}: not a bug that hides");
            kill(world, property, MOST)
        }),
    }
}

fn world<M>(machine: M) -> LeaseWorld<M> {
    LeaseWorld {
        machine,
        asks: 3,
        puts: 3,
        crashes: 1,
    }
}

/// A run in which nothing goes wrong: a lease is granted, used and kept alive, with a disk that is done before anything
/// else happens. Answers with the property that it breaks.
fn calm<M: Stores + Clone>(world: &LeaseWorld<M>) -> Option<&'static str> {
    let checked = Checked::new(world.clone());
    let mut state = checked.world.begin();
    let script = [
        Choice::Hold(Verb::Grant),
        Choice::Persist,
        Choice::Held,
        Choice::Put {
            key: 0,
            leased: true,
        },
        Choice::Persist,
        Choice::Written,
        Choice::Hold(Verb::KeepAlive),
        Choice::Held,
    ];
    for choice in script {
        let possible = checked.world.choices(&state).contains(&choice);
        // A machine that answers too early has nothing left to wait for.
        assert!(possible || choice == Choice::Persist, "{choice}");
        if possible {
            checked.world.take(&mut state, &choice);
        }
        let properties = LeaseWorld::<M>::properties();
        let broken = properties
            .iter()
            .find(|property| property.kind == Kind::Always && !(property.holds)(&checked, &state));
        if let Some(property) = broken {
            return Some(property.name);
        }
    }
    None
}

/// The world that bugs are put into is calm itself.
#[test]
fn what_ships_is_calm() {
    assert_eq!(calm(&world(Store::new(Limits::default()))), None);
}
