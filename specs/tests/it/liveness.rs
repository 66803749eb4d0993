//! Liveness on graphs small enough to see the answer, among them those on which stateright's `eventually` is wrong:
//! runs that end in a cycle, and runs that join another.

use std::fmt;

use specs::checked::Checked;
use specs::graph::graph;
use specs::liveness::{Wedge, wedge};
use specs::world::{Happens, Property, Word, World};

/// A graph as a world: edges with their words; some states are converged.
#[derive(Clone)]
struct Drawn {
    edges: &'static [(u8, &'static str, u8)],
    converged: &'static [u8],
}

#[derive(Clone, Debug, PartialEq)]
struct Edge(&'static str, u8);

impl Eq for Edge {}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.0, self.1)
    }
}

impl World for Drawn {
    type State = u8;
    type Choice = Edge;

    fn begin(&self) -> u8 {
        0
    }

    fn choices(&self, state: &u8) -> Vec<Edge> {
        let from = self.edges.iter().filter(|edge| edge.0 == *state);
        from.map(|edge| Edge(edge.1, edge.2)).collect()
    }

    fn take(&self, state: &mut u8, choice: &Edge) -> bool {
        std::mem::replace(state, choice.1) != choice.1
    }

    fn properties() -> Vec<Property<Self>> {
        Vec::new()
    }

    fn words() -> &'static [Word] {
        const fn word(name: &'static str, kind: Happens) -> Word {
            Word { name, kind }
        }
        &const {
            [
                word("go", Happens::Surely),
                word("turn", Happens::Surely),
                word("wish", Happens::Perhaps),
                word("fail", Happens::Fault),
            ]
        }
    }

    fn word(choice: &Edge) -> &'static str {
        choice.0
    }

    fn parties(_: &Edge) -> (String, String) {
        ("graph".into(), "graph".into())
    }

    fn converged(&self, state: &u8) -> bool {
        self.converged.contains(state)
    }
}

fn found(edges: &'static [(u8, &'static str, u8)], converged: &'static [u8]) -> Option<Wedge> {
    wedge(&graph(&Checked::new(Drawn { edges, converged })))
}

#[test]
fn a_way_that_ends_converged_is_live() {
    assert_eq!(found(&[(0, "go", 1), (1, "go", 2)], &[2]), None);
}

#[test]
fn a_way_that_ends_elsewhere_is_stuck() {
    let edges = &[(0, "go", 1), (0, "go", 2)];
    assert_eq!(found(edges, &[2]), Some(Wedge::Stuck(1)));
}

#[test]
fn what_only_may_happen_does_not_save() {
    assert_eq!(found(&[(0, "wish", 1)], &[1]), Some(Wedge::Stuck(0)));
    assert_eq!(found(&[(0, "fail", 1)], &[1]), Some(Wedge::Stuck(0)));
}

/// stateright's `eventually` sees no end of this run and says nothing.
#[test]
fn a_cycle_without_a_way_out_is_hopeless() {
    let edges = &[(0, "go", 1), (1, "go", 2), (2, "go", 1), (0, "turn", 3)];
    assert_eq!(found(edges, &[3]), Some(Wedge::Hopeless(1)));
}

/// The second way joins the first where `eventually` had already been satisfied on the first.
#[test]
fn a_way_that_joins_another_is_judged_by_itself() {
    let edges = &[(0, "go", 1), (1, "go", 3), (0, "turn", 2), (2, "go", 3)];
    assert_eq!(found(edges, &[1]), Some(Wedge::Stuck(3)));
}

#[test]
fn a_cycle_that_fairness_leaves_is_live() {
    // "turn" stays possible all around the cycle, so it is taken at last.
    let edges = &[(0, "go", 1), (1, "go", 0), (0, "turn", 2), (1, "turn", 2)];
    assert_eq!(found(edges, &[2]), None);
}

#[test]
fn a_cycle_on_which_the_way_out_comes_and_goes_is_endless() {
    // "turn" is possible in one of its states only: weak fairness does not force it.
    let edges = &[(0, "go", 1), (1, "go", 0), (0, "turn", 2)];
    assert_eq!(found(edges, &[2]), Some(Wedge::Endless(0)));
}

#[test]
fn a_state_after_a_fault_has_to_converge_too() {
    let edges = &[(0, "go", 1), (0, "fail", 2)];
    assert_eq!(found(edges, &[1]), Some(Wedge::Stuck(2)));
}
