//! The store's world beyond what the catalog's tests ask of every specification.

use model::machines::store::{Limits, Store};
use specs::checked::Checked;
use specs::histories::{Plan, walked};
use specs::store::StoreWorld;

#[test]
fn long_random_histories_keep_its_promises_too() {
    let world = Checked::new(StoreWorld {
        machine: Store::new(Limits::default()),
        attempts: 6,
        crashes: 4,
        compactions: 3,
    });
    assert_eq!(walked(&world, &Plan::new(0, 2_000)).shortest(), None);
}
