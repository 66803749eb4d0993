//! The ReplicaSet controller at each consistency level: what is promised holds, and what is not promised can be broken.

use specs::checked::Checked;
use specs::graph::graph;
use specs::histories::comes_to;
use specs::liveness::wedge;
use specs::replicaset::{Level, Promise, ReplicaSetWorld};

/// Whether some history of a world breaks a promise.
fn can_be_broken(world: &ReplicaSetWorld, promise: Promise) -> bool {
    let world = Checked::new(world.clone());
    (0..20_000).any(|seed| comes_to(&world, seed, 60, |state| promise.broken_by(state)))
}

#[test]
fn what_is_not_promised_can_be_broken() {
    let session = ReplicaSetWorld::new(Level::Session, &[2, 1]);
    let stale = ReplicaSetWorld::new(Level::Resettable, &[2, 1]).restarts(1);
    for (world, promise) in [
        (session.clone().losses(1), Promise::NoSurplus),
        (session.deaths(1), Promise::NoUndershoot),
        (stale.clone(), Promise::NoSurplus),
        (stale.deaths(1), Promise::NoUndershoot),
    ] {
        assert!(!promise.holds_in(&world), "{promise:?} {world:?}");
        assert!(can_be_broken(&world, promise), "{promise:?} {world:?}");
    }
}

/// A small world of each level, whole: promises as the table has them, and every fair run converges.
#[test]
fn what_is_promised_holds_and_every_level_converges() {
    for (world, states) in [
        (
            ReplicaSetWorld::new(Level::Synchronous, &[1, 2, 1]).restarts(1),
            5_507,
        ),
        (
            ReplicaSetWorld::new(Level::Synchronous, &[2, 1])
                .deaths(1)
                .losses(1),
            62_672,
        ),
        (ReplicaSetWorld::new(Level::Session, &[2, 1]), 9_414),
        (
            ReplicaSetWorld::new(Level::Session, &[2, 1]).restarts(1),
            26_829,
        ),
        (ReplicaSetWorld::new(Level::Session, &[1]).restarts(1), 247),
        (
            ReplicaSetWorld::new(Level::Resettable, &[1]).restarts(1),
            8_959,
        ),
    ] {
        let checked = Checked::new(world.clone());
        let explored = specs::checked::explore(checked.clone());
        assert_eq!(explored.broken, [], "{world:?}");
        let graph = graph(&checked);
        assert_eq!(wedge(&graph), None, "{world:?}");
        assert_eq!(graph.projected, states, "{world:?}");
    }
}
