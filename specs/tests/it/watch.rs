//! The watch specification's worlds beyond what the catalog's tests ask of every specification.

use std::fmt::Write as _;

use specs::catalog::Checkable;
use specs::checked::Checked;
use specs::histories::{Plan, walked};
use specs::watch::machines::MachinesWorld;
use specs::watch::world::Writes;
use specs::watch::{machines, world};

const A: usize = 0;
const B: usize = 1;

/// Longer than can be explored whole.
pub const SCRIPT: &[&[Writes]] = &[
    &[&[(A, Some(true))], &[(B, Some(true))]],
    &[&[(A, Some(false)), (B, Some(true))], &[(B, Some(false))]],
    &[&[(A, Some(true))], &[(B, None)]],
    &[&[(A, Some(false))], &[(B, Some(true))]],
    &[&[(A, Some(true)), (B, Some(false))]],
    &[&[(A, None), (B, Some(true))], &[(A, Some(false))]],
    &[&[(A, Some(true))], &[(B, None)]],
];

#[test]
fn long_random_histories_of_machines_keep_the_guarantees() {
    for streams in [false, true] {
        let world = Checked::new(MachinesWorld {
            script: SCRIPT,
            extras: 8,
            streams,
            ..machines::world("large")
        });
        let plan = Plan {
            steps: 300,
            ..Plan::new(0, 1_000)
        };
        assert_eq!(walked(&world, &plan).shortest(), None);
    }
}

/// How often each word leads from a state to another.
#[test]
fn the_tiny_worlds_have_these_transitions() {
    let worlds: [(&str, Box<dyn Checkable>); 2] = [
        ("watch", Box::new(Checked::new(world("tiny")))),
        (
            "watch-machines",
            Box::new(Checked::new(machines::world("tiny"))),
        ),
    ];
    let mut table = String::new();
    for (name, world) in worlds {
        let report = world.check(&mut |_| {});
        let (states, transitions) = (report.states, report.transitions);
        writeln!(table, "{name}: {states} states, {transitions} transitions")
            .expect("a string takes what is written");
        for (word, times) in report.taken {
            writeln!(table, "  {word}: {times}").expect("a string takes what is written");
        }
    }
    insta::assert_snapshot!(table);
}
