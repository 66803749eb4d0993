//! Liveness, decided on the whole graph: stateright's `eventually` misses runs that end in a cycle or join another.
//!
//! Faults stop at last, so runs are looked at in which no more of them happen. Three questions, from the simplest:
//! does the world come to rest only where it has converged ([`stuck`]); can it converge from everywhere
//! ([`hopeless`]); is there a run, fair to every word and process, that goes round for ever without converging
//! ([`endless`]).

use crate::graph::{Edge, Graph};
use crate::world::Happens;

/// Why a world does not converge, and a state from which it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wedge {
    /// Nothing more is bound to happen here, and it has not converged.
    Stuck(u32),
    /// No way leads from here to a converged state without another fault or favour.
    Hopeless(u32),
    /// A fair run goes round through here for ever and never converges.
    Endless(u32),
}

impl Wedge {
    /// The state.
    pub fn state(self) -> u32 {
        match self {
            Wedge::Stuck(state) | Wedge::Hopeless(state) | Wedge::Endless(state) => state,
        }
    }

    /// As a property's name.
    pub fn name(self) -> &'static str {
        match self {
            Wedge::Stuck(_) => "at rest only when converged",
            Wedge::Hopeless(_) => "can converge from everywhere",
            Wedge::Endless(_) => "every fair run converges",
        }
    }
}

/// The first way in which a world fails to converge, nearest to its beginning.
pub fn wedge<C>(graph: &Graph<C>) -> Option<Wedge> {
    let sure = Sure::of(graph);
    stuck(graph, &sure)
        .or_else(|| hopeless(graph, &sure))
        .or_else(|| endless(graph, &sure))
}

/// The edges that are bound to happen, by where they start.
struct Sure<'a> {
    edges: Vec<&'a Edge>,
    /// Where the edges of each state begin; one more entry than states.
    begins: Vec<usize>,
}

impl<'a> Sure<'a> {
    fn of<C>(graph: &'a Graph<C>) -> Self {
        let edges: Vec<&Edge> = graph
            .edges
            .iter()
            .filter(|edge| edge.happens == Happens::Surely)
            .collect();
        let mut begins = Vec::with_capacity(graph.states + 1);
        let mut at = 0;
        for state in 0..graph.states {
            while edges
                .get(at)
                .is_some_and(|edge| (edge.from as usize) < state)
            {
                at += 1;
            }
            begins.push(at);
        }
        begins.push(edges.len());
        Sure { edges, begins }
    }

    fn from(&self, state: u32) -> &[&'a Edge] {
        &self.edges[self.begins[state as usize]..self.begins[state as usize + 1]]
    }
}

fn stuck<C>(graph: &Graph<C>, sure: &Sure<'_>) -> Option<Wedge> {
    states(graph)
        .find(|state| !graph.converged[*state as usize] && sure.from(*state).is_empty())
        .map(Wedge::Stuck)
}

/// Backward search from the converged states over what is bound to happen.
fn hopeless<C>(graph: &Graph<C>, sure: &Sure<'_>) -> Option<Wedge> {
    let mut sources: Vec<Vec<u32>> = vec![Vec::new(); graph.states];
    for edge in &sure.edges {
        sources[edge.to as usize].push(edge.from);
    }
    let mut hope = graph.converged.clone();
    let mut open: Vec<u32> = states(graph)
        .filter(|state| hope[*state as usize])
        .collect();
    while let Some(state) = open.pop() {
        for from in &sources[state as usize] {
            if !std::mem::replace(&mut hope[*from as usize], true) {
                open.push(*from);
            }
        }
    }
    states(graph)
        .find(|state| !hope[*state as usize])
        .map(Wedge::Hopeless)
}

/// A strongly connected set of unconverged states in which a run can stay and be fair: every word and process that
/// is possible in all of its states is taken inside it.
fn endless<C>(graph: &Graph<C>, sure: &Sure<'_>) -> Option<Wedge> {
    let component = components(graph, sure);
    let count = component
        .iter()
        .flatten()
        .max()
        .map_or(0, |last| *last as usize + 1);
    let mut seen: Vec<Option<Fairness>> = vec![None; count];
    for state in states(graph) {
        let Some(own) = component[state as usize] else {
            continue;
        };
        let mut enabled = Classes::default();
        let fairness = seen[own as usize].get_or_insert(Fairness {
            first: state,
            always: Classes::all(),
            taken: Classes::default(),
            inside: 0,
        });
        for edge in sure.from(state) {
            enabled.insert(edge.class);
            if component[edge.to as usize] == Some(own) {
                fairness.taken.insert(edge.class);
                fairness.inside += 1;
            }
        }
        fairness.always.retain(&enabled);
    }
    seen.into_iter()
        .flatten()
        .find(|fairness| fairness.inside > 0 && fairness.always.within(&fairness.taken))
        .map(|fairness| Wedge::Endless(fairness.first))
}

fn states<C>(graph: &Graph<C>) -> impl Iterator<Item = u32> + use<C> {
    0..u32::try_from(graph.states).expect("the graph numbers its states in 32 bits")
}

/// What is known of a strongly connected component.
#[derive(Clone)]
struct Fairness {
    first: u32,
    /// Possible in each of its states.
    always: Classes,
    /// Taken from one of its states to another.
    taken: Classes,
    inside: usize,
}

/// A set of words with their processes.
#[derive(Clone, Copy, Default)]
struct Classes([u64; 4]);

impl Classes {
    fn all() -> Self {
        Classes([u64::MAX; 4])
    }

    fn insert(&mut self, class: u8) {
        self.0[usize::from(class / 64)] |= 1 << (class % 64);
    }

    fn retain(&mut self, other: &Classes) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own &= other;
        }
    }

    fn within(&self, other: &Classes) -> bool {
        self.0
            .iter()
            .zip(other.0)
            .all(|(own, other)| own & !other == 0)
    }
}

/// The strongly connected components of the unconverged states (Tarjan 1972, without recursion): each such state's
/// component; `None` for converged states.
fn components<C>(graph: &Graph<C>, sure: &Sure<'_>) -> Vec<Option<u32>> {
    const UNSEEN: u32 = u32::MAX;
    let mut index = vec![UNSEEN; graph.states];
    let mut low = vec![0; graph.states];
    let mut component = vec![None; graph.states];
    let (mut next, mut found) = (0, 0);
    let mut stack = Vec::new();
    for root in states(graph) {
        if index[root as usize] != UNSEEN || graph.converged[root as usize] {
            continue;
        }
        let mut path = vec![(root, 0)];
        while let Some((state, edge)) = path.last_mut() {
            let state = *state;
            if *edge == 0 {
                index[state as usize] = next;
                low[state as usize] = next;
                next += 1;
                stack.push(state);
            }
            if let Some(taken) = sure.from(state).get(*edge) {
                *edge += 1;
                let to = taken.to as usize;
                if graph.converged[to] {
                    continue;
                }
                if index[to] == UNSEEN {
                    path.push((taken.to, 0));
                } else if component[to].is_none() {
                    low[state as usize] = low[state as usize].min(index[to]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                low[*parent as usize] = low[*parent as usize].min(low[state as usize]);
            }
            if low[state as usize] == index[state as usize] {
                while let Some(member) = stack.pop() {
                    component[member as usize] = Some(found);
                    if member == state {
                        break;
                    }
                }
                found += 1;
            }
        }
    }
    component
}
