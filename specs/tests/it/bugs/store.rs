//! Faults of the store. Each is caught by the property of its row, and by no run without faults.

use model::machines::store::{Durable, Input, Limits, Output, Record, State, Store};
use model::messages::store::StoreRequest;
use specs::checked::Checked;
use specs::store::{Choice, StoreWorld, Stores};
use specs::world::{Kind, World};

use super::altered::{Fault, Faulty, fault};
use super::matrix::{Row, kill};

fault! {
    /// etcd 14370: an answer does not wait until what it tells of is durable.
    AnswersTooEarly of Store<u8> {
        fn again(&self, output: &Output<u8>) -> Option<Input<u8>> {
            match output {
                Output::Persist { through, .. } => Some(Input::Persisted { through: *through }),
                _ => None,
            }
        }

        fn input(&self, _: &State<u8>, input: Input<u8>) -> Option<Input<u8>> {
            (!matches!(input, Input::Persisted { .. })).then_some(input)
        }
    }
}

fault! {
    /// etcd 17780: a store that starts infers its revision from the keys, of which compaction has removed the newest.
    InfersItsRevision of Store<u8> {
        fn found(&self, mut found: Durable<u8>) -> Durable<u8> {
            if found.log.is_empty() && found.compacted > 1 {
                found.compacted -= 1;
                for version in found.base.values_mut() {
                    version.mod_revision = version.mod_revision.min(found.compacted);
                }
            }
            found
        }
    }
}

fault! {
    /// etcd 13766: not everything that belongs to one commit is written with it.
    HalvesACommit of Store<u8> {
        fn output(&self, _: &State<u8>, mut output: Output<u8>) -> Option<Output<u8>> {
            if let Output::Persist { records, .. } = &mut output {
                let revision = |record: &Record<u8>| matches!(record, Record::Revision { .. });
                if records.iter().filter(|record| revision(record)).count() > 1 {
                    records.pop();
                }
            }
            Some(output)
        }
    }
}

fault! {
    /// etcd 15271: a watch that is opened again is sent what it was sent before.
    GoesBackInTime of Store<u8> {
        fn input(&self, state: &State<u8>, mut input: Input<u8>) -> Option<Input<u8>> {
            if let Input::Watch { request, .. } = &mut input
                && let Some(after) = &mut request.after
                && *after > state.compacted().max(1)
            {
                *after -= 1;
            }
            Some(input)
        }
    }
}

fault! {
    /// A watch whose revision is compacted goes on after the compaction, and nobody is told.
    HidesTheCompaction of Store<u8> {
        fn input(&self, state: &State<u8>, mut input: Input<u8>) -> Option<Input<u8>> {
            if let Input::Watch { request, .. } = &mut input {
                request.after = request.after.map(|after| after.max(state.compacted()));
            }
            Some(input)
        }
    }
}

fault! {
    /// A swap that follows another does not compare: the update between is lost.
    ComparesOnlyOnce of Store<u8> {
        fn input(&self, state: &State<u8>, mut input: Input<u8>) -> Option<Input<u8>> {
            if let Input::Ask { request: StoreRequest::Transaction(transaction), .. } = &mut input
                && state.is_committing()
            {
                transaction.compares.clear();
            }
            Some(input)
        }
    }
}

/// A hunt that looks at more states has failed.
const MOST: usize = 300_000;

/// Every row of the store.
pub fn rows() -> Vec<Row> {
    let faithful = "events arrive ordered, once, without gaps";
    vec![
        row(
            "etcd 14370",
            AnswersTooEarly,
            "nothing is shown that is not durable",
        ),
        row(
            "etcd 17780",
            InfersItsRevision,
            "refines the store's specification",
        ),
        row(
            "etcd 13766",
            HalvesACommit,
            "acknowledged writes are durable",
        ),
        row("etcd 15271 in the store", GoesBackInTime, faithful),
        row(
            "a compaction that is not told",
            HidesTheCompaction,
            faithful,
        ),
        row(
            "a swap that does not compare",
            ComparesOnlyOnce,
            "a compare-and-swap saw the value that it replaced",
        ),
    ]
}

fn row<F>(bug: &'static str, fault: F, property: &'static str) -> Row
where
    F: Fault<Store<u8>> + Send + Sync + 'static,
{
    Row {
        specification: "store",
        bug,
        property,
        kill: Box::new(move || {
            let machine = Store::new(Limits::default());
            let fault = fault.clone();
            let world = StoreWorld {
                machine: Faulty { machine, fault },
                attempts: 2,
                crashes: 1,
                compactions: 1,
            };
            let calm = calm(&world);
            assert_eq!(calm, None, "{bug}: not a bug that hides");
            kill(world, property, MOST)
        }),
    }
}

/// A run in which nothing goes wrong: one client and the watcher, and a disk that is done before anything else
/// happens. Answers with the property that it breaks.
fn calm<M: Stores + Clone>(world: &StoreWorld<M>) -> Option<&'static str> {
    let properties = StoreWorld::<M>::properties();
    let checked = Checked::new(world.clone());
    let mut state = checked.world.begin();
    let mut steps = 0;
    let quiet = |choice: &Choice| match choice {
        Choice::Ask(client) | Choice::Answer(client) => *client == 0,
        Choice::Watch | Choice::Take => true,
        Choice::Persist | Choice::Crash { .. } | Choice::Compact => false,
    };
    loop {
        let choices = checked.world.choices(&state);
        let disk = choices.iter().find(|choice| **choice == Choice::Persist);
        let next = disk.or_else(|| choices.iter().rev().find(|choice| quiet(choice)));
        let Some(choice) = next else {
            assert!(steps > 8, "a run in which nothing happens");
            return None;
        };
        checked.world.take(&mut state, choice);
        steps += 1;
        let broken = properties
            .iter()
            .find(|property| property.kind == Kind::Always && !(property.holds)(&checked, &state));
        if let Some(property) = broken {
            return Some(property.name);
        }
    }
}

/// The world that bugs are put into is calm itself.
#[test]
fn what_ships_is_calm() {
    let machine = Store::new(Limits::default());
    let world = StoreWorld {
        machine,
        attempts: 2,
        crashes: 1,
        compactions: 1,
    };
    assert_eq!(calm(&world), None);
}
