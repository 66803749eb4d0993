//! The store's world.

use std::collections::BTreeSet;

use model::machines::store::{Limits, Store};
use specs::checked::{Checked, explore};
use specs::store::{StoreWorld, properties};
use specs::world::walk;

fn world(attempts: u8, crashes: u8, compactions: u8) -> StoreWorld {
    StoreWorld {
        machine: Store::new(Limits::default()),
        attempts,
        crashes,
        compactions,
    }
}

/// What explorations of several sizes have seen together.
fn explore_all(sizes: &[(u8, u8, usize)]) {
    let mut never_seen: Option<BTreeSet<&str>> = None;
    for (crashes, compactions, states) in sizes {
        let explored = explore(Checked::new(world(2, *crashes, *compactions)));
        assert_eq!(explored.broken, []);
        assert_eq!(
            explored.states, *states,
            "{crashes} crashes, {compactions} compactions"
        );
        let unseen: BTreeSet<&str> = explored.never_seen.into_iter().collect();
        never_seen = Some(match never_seen {
            Some(before) => &before & &unseen,
            None => unseen,
        });
    }
    assert_eq!(never_seen, Some(BTreeSet::new()));
}

/// Each fault adds states: none is there for show.
#[test]
fn the_store_keeps_its_promises_in_every_state() {
    explore_all(&[(0, 0, 18_258), (1, 0, 260_337), (0, 1, 143_592)]);
}

#[test]
#[ignore = "large: a minute and a half on two cores"]
fn the_store_keeps_its_promises_under_both_faults() {
    explore_all(&[(1, 1, 2_253_486)]);
}

#[test]
fn long_random_histories_keep_them_too() {
    let world = Checked::new(world(6, 4, 3));
    for seed in 0..2_000 {
        if let Err(violation) = walk(&world, seed, 200) {
            panic!("seed {seed}: {violation:#?}");
        }
    }
}

#[test]
fn the_readme_lists_exactly_the_properties() {
    let readme = include_str!("../../src/store/README.md");
    let listed: BTreeSet<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .skip(1)
        .collect();
    let checked: BTreeSet<&str> = properties().iter().map(|property| property.name).collect();
    assert_eq!(listed, checked);
}
