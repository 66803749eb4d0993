//! The path of a pod, beyond what the catalog's tests ask of every specification.

mod guards;

use specs::catalog::Checkable;
use specs::checked::Checked;
use specs::create_pod::machines::{MachinesWorld, Shipped, composed, quiet, stormy};
use specs::create_pod::world::{CreatePodWorld, Faults};
use specs::create_pod::world_of;
use specs::histories::{Plan, walked};
use specs::world::World;

/// One pod on one node, deleted or not, and nothing goes wrong: small enough to be looked at.
#[test]
fn the_graph_of_one_pod() {
    let world = CreatePodWorld {
        plan: world_of("tiny").plan[..1].to_vec(),
        removable_nodes: false,
        faults: Faults::default(),
        ..world_of("tiny")
    };
    insta::assert_snapshot!(Checked::new(world).dot());
}

fn hold<W: World + Sync>(world: W, steps: usize) {
    let plan = Plan {
        steps,
        ..Plan::new(0, 500)
    };
    let walked = walked(&Checked::new(world), &plan);
    assert_eq!(walked.shortest(), None);
}

#[test]
fn long_random_histories_are_runs_of_the_specification() {
    hold(world_of("stormy"), 400);
}

#[test]
fn long_random_histories_of_the_machines_are_runs_of_the_specification() {
    hold(stormy(Shipped), 400);
}

/// One ReplicaSet, two nodes, two pods, a crash, a stale view.
#[test]
fn random_histories_of_the_composed_configuration_are_runs_of_the_specification() {
    hold(composed(Shipped), 200);
}

/// A machine's world with one thing more than the quiet one, and the number of its states without ghosts.
type Case = (&'static str, fn(&mut MachinesWorld<Shipped>), usize);

/// The faults, one by one, are in the size `ci` of the catalog.
const CASES: [Case; 2] = [
    ("the cache lags", |world| world.cache_lags = true, 4_758),
    (
        "a name is used twice",
        |world| world.plan.push(world.plan[0]),
        1_821,
    ),
];

#[test]
fn the_shipped_machines_refine_the_specification_in_every_state() {
    for (name, more, states) in CASES {
        let mut world = quiet(Shipped);
        more(&mut world);
        world.faults.any = 1;
        let report = Checked::new(world).check(&mut |_| {});
        let broken = report.properties.iter();
        let broken: Vec<_> = broken
            .filter(|verdict| !verdict.holds && verdict.kind != "sometimes")
            .collect();
        assert_eq!(broken, Vec::<&specs::catalog::Verdict>::new(), "{name}");
        assert_eq!(report.states, states, "{name}");
    }
}
