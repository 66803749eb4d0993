//! The store's world beyond what the catalog's tests ask of every specification.

use model::machines::store::{Limits, Store};
use specs::checked::Checked;
use specs::store::StoreWorld;
use specs::world::walk;

#[test]
fn long_random_histories_keep_its_promises_too() {
    let world = Checked::new(StoreWorld {
        machine: Store::new(Limits::default()),
        attempts: 6,
        crashes: 4,
        compactions: 3,
    });
    for seed in 0..2_000 {
        if let Err(violation) = walk(&world, seed, 200) {
            panic!("seed {seed}: {violation:#?}");
        }
    }
}
