//! The whole graph of a world: what stateright does not keep. States are counted without their ghosts, words are
//! counted, and liveness ([`crate::liveness`]) is decided on it.
//!
//! The exploration is our own and hashes with another function than stateright does: that both find the same number
//! of states is a check of each.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::checked::Checked;
use crate::world::{Happens, World};

/// The states that can be reached, by number in the order in which breadth first search met them, and the choices
/// between them.
#[derive(Debug)]
pub struct Graph<C> {
    /// How many states there are, ghosts included.
    pub states: usize,
    /// How many there are without their ghosts.
    pub projected: usize,
    /// The longest of the shortest ways from the beginning to a state.
    pub depth: usize,
    /// How often each word leads from a state to another.
    pub taken: BTreeMap<&'static str, usize>,
    /// Whether a state is converged.
    pub converged: Vec<bool>,
    /// Choices that change something, ordered by where they start.
    pub edges: Vec<Edge>,
    /// What edges' classes stand for: word and process.
    pub classes: Vec<(&'static str, u8)>,
    /// How each state but the first was first reached: from where, by which choice.
    reached: Vec<Option<(u32, C)>>,
}

/// A choice that leads from a state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The state in which it may happen.
    pub from: u32,
    /// The state after it.
    pub to: u32,
    /// Its word and process, as an index into [`Graph::classes`].
    pub class: u8,
    /// Whether it is bound to happen.
    pub happens: Happens,
}

impl<C: Clone> Graph<C> {
    /// The choices that lead to a state, from the beginning.
    pub fn way_to(&self, state: u32) -> Vec<C> {
        let mut choices = Vec::new();
        let mut at = state;
        while let Some((from, choice)) = &self.reached[at as usize] {
            choices.push(choice.clone());
            at = *from;
        }
        choices.reverse();
        choices
    }
}

/// Explores a world whole.
///
/// # Panics
/// If there are more than 2³² states, or more than 256 pairs of word and process.
pub fn graph<W: World>(world: &Checked<W>) -> Graph<W::Choice> {
    let happens: BTreeMap<&str, Happens> = W::words()
        .iter()
        .map(|word| (word.name, word.kind))
        .collect();
    let mut graph = Graph {
        states: 0,
        projected: 0,
        depth: 0,
        taken: W::words().iter().map(|word| (word.name, 0)).collect(),
        converged: Vec::new(),
        edges: Vec::new(),
        classes: Vec::new(),
        reached: Vec::new(),
    };
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    let mut projections: HashSet<u64> = HashSet::new();
    let mut frontier = VecDeque::new();
    let first = world.world.begin();
    numbers.insert(fingerprint::<W>(&first), 0);
    frontier.push_back((0, first));
    graph.reached.push(None);
    while let Some((depth, state)) = frontier.pop_front() {
        let from = u32::try_from(graph.converged.len()).expect("fewer than 2³² states");
        graph.depth = depth;
        graph.converged.push(world.world.converged(&state));
        projections.insert(projection::<W>(&state));
        for choice in world.choices(&state) {
            let mut next = state.clone();
            if !world.world.take(&mut next, &choice) {
                continue;
            }
            let word = W::word(&choice);
            let class = graph.class(word, W::process(&choice));
            *graph.taken.entry(word).or_default() += 1;
            let new = u32::try_from(graph.reached.len()).expect("fewer than 2³² states");
            let to = *numbers.entry(fingerprint::<W>(&next)).or_insert(new);
            if to == new {
                graph.reached.push(Some((from, choice)));
                frontier.push_back((depth + 1, next));
            }
            graph.edges.push(Edge {
                from,
                to,
                class,
                happens: happens[word],
            });
        }
    }
    graph.states = graph.converged.len();
    graph.projected = projections.len();
    graph
}

impl<C> Graph<C> {
    fn class(&mut self, word: &'static str, process: u8) -> u8 {
        let known = self.classes.iter().position(|at| *at == (word, process));
        let index = known.unwrap_or_else(|| {
            self.classes.push((word, process));
            self.classes.len() - 1
        });
        u8::try_from(index).expect("at most 256 pairs of word and process")
    }
}

/// The graph in the language of Graphviz: a node a state, an edge a choice; converged states have a double border.
pub fn dot<W: World>(world: &Checked<W>) -> String {
    let graph = graph(world);
    let mut text = String::from("digraph {\n    rankdir=LR; node [shape=circle, label=\"\"]\n");
    for state in (0..graph.states).filter(|state| graph.converged[*state]) {
        text.push_str(&format!("    {state} [shape=doublecircle]\n"));
    }
    for edge in &graph.edges {
        let (word, process) = graph.classes[usize::from(edge.class)];
        text.push_str(&format!(
            "    {} -> {} [label=\"{word} {process}\"]\n",
            edge.from, edge.to
        ));
    }
    text.push_str("}\n");
    text
}

fn fingerprint<W: World>(state: &W::State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn projection<W: World>(state: &W::State) -> u64 {
    let mut hasher = DefaultHasher::new();
    W::project(state, &mut hasher);
    hasher.finish()
}
