//! The guards of the store: the runs are those of its world, of a store that is asked for whatever a store can be asked
//! for, and of a relay over an engine that others use too.

use model::actions::store::StoreAction;
use model::machines::store::{Limits, Store};
use specs::checked::Checked;
use specs::guards::heard;
use specs::lease::LeaseWorld;
use specs::store::{StoreSpecification, StoreWorld};

use super::altered::altered;
use super::busy_store::Busy;
use super::{Look, Shown, first, gaps, runs};
use crate::relay;

#[test]
fn guards_of_the_store() {
    let world = Checked::new(StoreWorld {
        machine: Store::new(Limits::default()),
        attempts: 3,
        crashes: 1,
        compactions: 2,
    });
    let look = Look {
        specification: StoreSpecification,
        tries: 150,
        word: first,
        altered: altered::<StoreAction>,
    };
    let mut shown = Shown::default();
    shown.weaken(&look, &runs::<StoreSpecification, _>(&world, 40, 80));
    let leases = Checked::new(LeaseWorld {
        machine: Store::new(Limits::default()),
        asks: 6,
        puts: 4,
        crashes: 1,
    });
    shown.weaken(&look, &runs::<StoreSpecification, _>(&leases, 40, 80));
    let busy = |seed| heard(|| Busy::begin(seed).goes_on(300));
    shown.weaken(&look, &(0..120).map(busy).collect::<Vec<_>>());
    let relayed = |seed| heard(|| relay::run(seed, 150));
    shown.weaken(&look, &(0..40).map(relayed).collect::<Vec<_>>());
    insta::assert_snapshot!(gaps::table("store", &shown));
    gaps::hold("store", &shown);
}
