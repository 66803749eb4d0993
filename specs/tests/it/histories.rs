//! Histories walked at random: they follow from their seeds, and see what explorations see.

use specs::catalog;
use specs::histories::{Plan, Walked};

fn walked(name: &str, plan: &Plan) -> Walked {
    let all = catalog::all();
    let listed = all
        .iter()
        .find(|listed| listed.name == name)
        .expect("a specification");
    let size = listed.size("ci").expect("a size");
    (listed.world)(size).histories(plan)
}

#[test]
fn no_history_of_what_ships_breaks_a_property() {
    for listed in catalog::all() {
        let walked = walked(listed.name, &Plan::new(1, 300));
        let shortest = walked.shortest();
        assert!(
            shortest.is_none(),
            "{}: seed and history: {shortest:?}",
            listed.name
        );
        assert_eq!(walked.histories, 300);
    }
}

#[test]
fn a_seed_gives_one_history_whatever_walks_beside_it() {
    let plan = Plan::new(7, 40);
    let together = walked("watch", &plan);
    let apart = (0..40).map(|number| walked("watch", &Plan::new(7 + number, 1)));
    let sum: u64 = apart.map(|one| one.choices).sum();
    assert_eq!(together.choices, sum);
    assert_eq!(together.taken, walked("watch", &plan).taken);
}
