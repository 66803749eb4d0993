//! The stateright adapter: explores every state that a world can reach.

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::world::{Kind, Violation, World};

/// A world as the checkers see it.
#[derive(Clone, Debug)]
pub struct Checked<W> {
    /// The world.
    pub world: W,
    /// A word that is never taken: the check that each word matters.
    without: Option<&'static str>,
}

impl<W: World> Checked<W> {
    /// The whole world.
    pub fn new(world: W) -> Self {
        Checked {
            world,
            without: None,
        }
    }

    /// The world in which choices of one word are never taken.
    pub fn without(world: W, word: &'static str) -> Self {
        Checked {
            world,
            without: Some(word),
        }
    }

    /// What may happen next.
    pub fn choices(&self, state: &W::State) -> Vec<W::Choice> {
        let mut choices = self.world.choices(state);
        if let Some(word) = self.without {
            choices.retain(|choice| W::word(choice) != word);
        }
        choices
    }
}

impl<W: World + 'static> Model for Checked<W> {
    type State = W::State;
    type Action = W::Choice;

    fn init_states(&self) -> Vec<W::State> {
        vec![self.world.begin()]
    }

    fn actions(&self, state: &W::State, actions: &mut Vec<W::Choice>) {
        actions.extend(self.choices(state));
    }

    fn next_state(&self, last: &W::State, choice: W::Choice) -> Option<W::State> {
        let mut next = last.clone();
        // A choice that changes nothing gives `None`, so that stateright prunes it instead of hashing a copy.
        self.world.take(&mut next, &choice).then_some(next)
    }

    fn format_action(&self, choice: &W::Choice) -> String {
        choice.to_string()
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        W::properties()
            .into_iter()
            .map(|property| stateright::Property {
                expectation: match property.kind {
                    Kind::Always => Expectation::Always,
                    Kind::Sometimes => Expectation::Sometimes,
                },
                name: property.name,
                condition: property.holds,
            })
            .collect()
    }
}

/// What a whole exploration found.
#[derive(Debug, PartialEq, Eq)]
pub struct Explored<C> {
    /// How many distinct states can be reached, ghosts included.
    pub states: usize,
    /// `Always` properties that do not hold, each with the choices that lead to a state where it does not.
    pub broken: Vec<Violation<C>>,
    /// `Sometimes` properties that no reachable state satisfies.
    pub never_seen: Vec<&'static str>,
}

/// Explores every reachable state, breadth first, so that counterexamples are shortest.
pub fn explore<W>(world: Checked<W>) -> Explored<W::Choice>
where
    W: World + Send + Sync + 'static,
    W::State: Send + Sync,
    W::Choice: Send + Sync,
{
    let checker = world.checker().threads(2).spawn_bfs().join();
    let mut explored = Explored {
        states: checker.unique_state_count(),
        broken: Vec::new(),
        never_seen: Vec::new(),
    };
    for property in W::properties() {
        match (property.kind, checker.discovery(property.name)) {
            (Kind::Always, Some(path)) => {
                explored.broken.push(Violation {
                    property: property.name,
                    choices: path.into_actions(),
                });
            }
            (Kind::Sometimes, None) => explored.never_seen.push(property.name),
            (Kind::Always, None) | (Kind::Sometimes, Some(_)) => {}
        }
    }
    explored
}

/// Explores until a property that must hold always is broken. `None` if it is broken nowhere.
pub fn find<W>(world: Checked<W>, property: &'static str) -> Option<Violation<W::Choice>>
where
    W: World + Send + Sync + 'static,
    W::State: Send + Sync,
    W::Choice: Send + Sync,
{
    let enough = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let checker = world.checker().threads(2).finish_when(enough);
    let path = checker.spawn_bfs().join().discovery(property)?;
    Some(Violation {
        property,
        choices: path.into_actions(),
    })
}
