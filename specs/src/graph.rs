//! The whole graph of a world: what stateright does not keep. Properties are judged on the way, states are counted
//! without their ghosts, words are counted, and liveness ([`crate::liveness`]) is decided on it.
//!
//! The exploration is our own and hashes with another function than stateright does: where both explore a world, that
//! they find the same states and judge them alike is a check of each. It is breadth first, so that ways are shortest,
//! and numbers states alike however many threads take part.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::checked::Checked;
use crate::pool::Pool;
use crate::world::{Happens, Kind, Property, World};

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
    /// `Always` properties that do not hold, each with the first state in which it does not.
    pub broken: BTreeMap<&'static str, u32>,
    /// `Sometimes` properties that no state satisfies.
    pub never_seen: Vec<&'static str>,
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

/// How many states are looked at before what they lead to is given numbers.
const PART: usize = 1_024;

/// So few states are looked at faster by one thread than by two.
const FEW: usize = 64;

/// How far an exploration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many steps from the beginning the states are that are looked at now.
    pub depth: usize,
    /// How many states were looked at, ghosts included.
    pub looked_at: usize,
    /// How many were met.
    pub met: usize,
}

/// Explores a world whole.
///
/// # Panics
/// As [`graph_telling`].
pub fn graph<W>(world: &Checked<W>) -> Graph<W::Choice>
where
    W: World + Sync,
    W::State: Send + Sync,
    W::Choice: Send + Sync,
{
    graph_telling(world, &mut |_| {})
}

/// Explores a world whole, and tells now and then how far it is.
///
/// # Panics
/// If there are more than 2³² states, or more than 256 pairs of word and process.
pub fn graph_telling<W>(world: &Checked<W>, tell: &mut dyn FnMut(Progress)) -> Graph<W::Choice>
where
    W: World + Sync,
    W::State: Send + Sync,
    W::Choice: Send + Sync,
{
    let properties = W::properties();
    let mut graph = Graph::empty::<W>(&properties);
    let mut known = Known::default();
    let first = world.world.begin();
    known.numbers.insert(fingerprint(&first), 0);
    graph.reached.push(None);
    let mut level = vec![first];
    while !level.is_empty() {
        let mut next = Vec::new();
        let mut states = level.into_iter();
        loop {
            // States are dropped part by part: a level may be much of what there is.
            let part: Vec<W::State> = states.by_ref().take(PART).collect();
            if part.is_empty() {
                break;
            }
            let looks = look_at(world, &properties, &part, &known.numbers);
            for look in looks {
                graph.enter::<W>(&properties, look, &mut known, &mut next);
            }
            tell(Progress {
                depth: graph.depth,
                looked_at: graph.converged.len(),
                met: graph.reached.len(),
            });
        }
        level = next;
        graph.depth += usize::from(!level.is_empty());
    }
    graph.states = graph.converged.len();
    graph.projected = known.projections.len();
    graph
}

/// The states that were met: their numbers by fingerprint, and the fingerprints of what they are without ghosts.
#[derive(Default)]
struct Known {
    numbers: HashMap<u64, u32>,
    projections: HashSet<u64>,
    parts: Pool,
}

/// What one state is, and what may happen in it.
struct Look<W: World> {
    converged: bool,
    projection: u64,
    /// Of each property, whether it holds.
    holds: Vec<bool>,
    steps: Vec<Step<W>>,
}

/// A choice that changes something, and what it leads to; the state only if it may be one that was not met.
struct Step<W: World> {
    choice: W::Choice,
    fingerprint: u64,
    state: Option<W::State>,
}

/// Looks at states, by two threads where that pays; the order is theirs.
fn look_at<W>(
    world: &Checked<W>,
    properties: &[Property<W>],
    states: &[W::State],
    numbers: &HashMap<u64, u32>,
) -> Vec<Look<W>>
where
    W: World + Sync,
    W::State: Send + Sync,
    W::Choice: Send + Sync,
{
    let all = |states: &[W::State]| -> Vec<Look<W>> {
        let looks = states.iter();
        looks
            .map(|state| look(world, properties, state, numbers))
            .collect()
    };
    if states.len() < FEW {
        return all(states);
    }
    let (near, far) = states.split_at(states.len() / 2);
    std::thread::scope(|scope| {
        let far = scope.spawn(|| all(far));
        let mut looks = all(near);
        looks.extend(far.join().expect("a world does not panic"));
        looks
    })
}

fn look<W: World>(
    world: &Checked<W>,
    properties: &[Property<W>],
    state: &W::State,
    numbers: &HashMap<u64, u32>,
) -> Look<W> {
    let holds = properties.iter();
    let mut steps = Vec::new();
    for choice in world.choices(state) {
        let mut next = state.clone();
        if world.world.take(&mut next, &choice) {
            let fingerprint = fingerprint(&next);
            let state = (!numbers.contains_key(&fingerprint)).then_some(next);
            steps.push(Step {
                choice,
                fingerprint,
                state,
            });
        }
    }
    Look {
        converged: world.world.converged(state),
        projection: projection::<W>(state),
        holds: holds
            .map(|property| (property.holds)(world, state))
            .collect(),
        steps,
    }
}

impl<C> Graph<C> {
    fn empty<W: World>(properties: &[Property<W>]) -> Self {
        let sometimes = properties.iter();
        let sometimes = sometimes.filter(|property| property.kind == Kind::Sometimes);
        Graph {
            states: 0,
            projected: 0,
            depth: 0,
            taken: W::words().iter().map(|word| (word.name, 0)).collect(),
            converged: Vec::new(),
            broken: BTreeMap::new(),
            never_seen: sometimes.map(|property| property.name).collect(),
            edges: Vec::new(),
            classes: Vec::new(),
            reached: Vec::new(),
        }
    }

    /// Takes in what was seen of the next state.
    fn enter<W: World<Choice = C>>(
        &mut self,
        properties: &[Property<W>],
        look: Look<W>,
        known: &mut Known,
        next: &mut Vec<W::State>,
    ) {
        let from = u32::try_from(self.converged.len()).expect("fewer than 2³² states");
        self.converged.push(look.converged);
        known.projections.insert(look.projection);
        for (property, holds) in properties.iter().zip(look.holds) {
            match property.kind {
                Kind::Always if !holds => {
                    self.broken.entry(property.name).or_insert(from);
                }
                Kind::Sometimes if holds => self.never_seen.retain(|name| *name != property.name),
                Kind::Always | Kind::Sometimes => {}
            }
        }
        for step in look.steps {
            let word = W::word(&step.choice);
            let class = self.class(word, W::process(&step.choice));
            *self.taken.entry(word).or_default() += 1;
            let new = u32::try_from(self.reached.len()).expect("fewer than 2³² states");
            let to = *known.numbers.entry(step.fingerprint).or_insert(new);
            if to == new {
                self.reached.push(Some((from, step.choice)));
                next.extend(step.state.map(|mut state| {
                    W::share(&mut state, &mut known.parts);
                    state
                }));
            }
            let happens = W::words().iter().find(|known| known.name == word);
            self.edges.push(Edge {
                from,
                to,
                class,
                happens: happens.expect("a word of the world").kind,
            });
        }
    }

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
pub fn dot<W>(world: &Checked<W>) -> String
where
    W: World + Sync,
    W::State: Send + Sync,
    W::Choice: Send + Sync,
{
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

fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn projection<W: World>(state: &W::State) -> u64 {
    let mut hasher = DefaultHasher::new();
    W::project(state, &mut hasher);
    hasher.finish()
}
