//! The specifications by name, each with its sizes and the number of states recorded for each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::checked::{Checked, Explored, explore};
use crate::counterexample::{Replayed, Scenario, ScenarioError, Telling, replay};
use crate::graph::{Graph, Progress, graph, graph_telling};
use crate::histories::{Plan, Walked, walked};
use crate::liveness::wedge;
use crate::world::{Kind, World};

/// Worlds of no more states than this, ghosts included, are explored by stateright too; larger ones by
/// [`graph`](crate::graph::graph) alone, for stateright would tell nothing that is not known by then.
const TWICE: usize = 200_000;

/// A specification as the command line lists it.
pub struct Listed {
    /// Its name: that of its folder.
    pub name: &'static str,
    /// What it is of, in a line.
    pub about: &'static str,
    /// Its README.
    pub readme: &'static str,
    /// Its sizes, smallest first; the one called `ci` is checked at every change.
    pub sizes: &'static [Size],
    /// The closed world of a size.
    pub world: fn(&Size) -> Box<dyn Checkable>,
}

/// One size of a specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// `tiny`, `ci`, `large`, or what it is about.
    pub name: &'static str,
    /// What it holds, in a line: how many clients, crashes, ….
    pub holds: &'static str,
    /// The number of its states without ghosts, as it was recorded. A check that finds another fails.
    pub states: usize,
    /// Properties that must be seen sometimes, and words, that are too rare for this size: recorded, so that it shows when it changes.
    pub unseen: &'static [&'static str],
}

impl Listed {
    /// Its size of a name.
    pub fn size(&self, name: &str) -> Option<&'static Size> {
        self.sizes.iter().find(|size| size.name == name)
    }

    /// Checks a size whole, and that the check found what was recorded of it; tells now and then how far it is.
    pub fn check(&self, size: &Size, tell: &mut dyn FnMut(Progress)) -> Report {
        let mut report = (self.world)(size).check(tell);
        for verdict in &mut report.properties {
            if verdict.kind == "sometimes" {
                verdict.holds ^= size.unseen.contains(&verdict.name);
            }
        }
        let recorded = |word: &&str| size.unseen.contains(word);
        report.properties.push(Verdict {
            name: "every word is taken, but those recorded as too rare",
            kind: "sometimes",
            holds: report
                .taken
                .iter()
                .all(|(word, times)| (*times == 0) == recorded(word)),
            counterexample: None,
        });
        report.properties.push(Verdict {
            name: "as many states as recorded",
            kind: "always",
            holds: report.states == size.states,
            counterexample: None,
        });
        report
    }
}

/// Every specification.
pub fn all() -> Vec<Listed> {
    vec![
        crate::store::listed(),
        crate::lease::listed(),
        crate::watch::listed(),
        crate::create_pod::listed(),
        crate::create_pod::machines::listed(),
        crate::replicaset::listed(),
        crate::watch::machines::listed(),
    ]
}

/// A closed world, whatever its types.
pub trait Checkable: Send {
    /// Explores it whole; tells now and then how far it is.
    fn check(&self, tell: &mut dyn FnMut(Progress)) -> Report;

    /// Its graph in the language of Graphviz.
    fn dot(&self) -> String;

    /// Takes a scenario's steps again.
    ///
    /// # Errors
    /// If a step is not possible where it stands.
    fn replay(&self, scenario: &Scenario) -> Result<Replayed, ScenarioError>;

    /// Serves stateright's Explorer at an address until the process ends.
    fn serve(self: Box<Self>, address: std::net::SocketAddr);

    /// The names of its properties, each with its kind.
    fn properties(&self) -> Vec<(&'static str, &'static str)>;

    /// Walks short histories of it at random.
    fn histories(&self, plan: &Plan) -> Walked;

    /// Every word that is taken, with the number of states if it is not.
    fn without_each(&self) -> BTreeMap<&'static str, usize>;
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Distinct states without their ghosts.
    pub states: usize,
    /// Distinct states with them.
    pub with_ghosts: usize,
    /// Choices that change something.
    pub transitions: usize,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// How long the check took.
    pub seconds: f64,
    /// What became of each property, liveness last.
    pub properties: Vec<Verdict>,
    /// How often each word leads from a state to another.
    pub taken: BTreeMap<&'static str, usize>,
}

/// What became of a property.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Its name.
    pub name: &'static str,
    /// Its kind, as the tables say it: `always`, `sometimes` or `at last`.
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// Where it does not: the shortest way there.
    pub counterexample: Option<Telling>,
}

impl Report {
    /// Whether every property holds.
    pub fn holds(&self) -> bool {
        self.properties.iter().all(|verdict| verdict.holds)
    }
}

impl<W> Checkable for Checked<W>
where
    W: World + Clone + Send + Sync + 'static,
    W::State: Send + Sync,
    W::Choice: Send + Sync,
{
    fn check(&self, tell: &mut dyn FnMut(Progress)) -> Report {
        let began = Instant::now();
        let graph = graph_telling(self, tell);
        let mut properties: Vec<Verdict> = W::properties()
            .iter()
            .map(|property| {
                let broken = graph.broken.get(property.name);
                Verdict {
                    name: property.name,
                    kind: kind(property.kind),
                    holds: broken.is_none() && !graph.never_seen.contains(&property.name),
                    counterexample: broken.map(|state| Telling::of::<W>(&graph.way_to(*state))),
                }
            })
            .collect();
        if graph.states <= TWICE {
            properties.push(agreement(&explore(self.clone()), &graph));
        }
        properties.push(liveness::<W>(&graph));
        Report {
            states: graph.projected,
            with_ghosts: graph.states,
            transitions: graph.edges.len(),
            depth: graph.depth,
            seconds: began.elapsed().as_secs_f64(),
            properties,
            taken: graph.taken,
        }
    }

    fn dot(&self) -> String {
        crate::graph::dot(self)
    }

    fn replay(&self, scenario: &Scenario) -> Result<Replayed, ScenarioError> {
        replay(self, scenario)
    }

    fn serve(self: Box<Self>, address: std::net::SocketAddr) {
        use stateright::Model as _;
        self.checker().serve(address);
    }

    fn properties(&self) -> Vec<(&'static str, &'static str)> {
        W::properties()
            .iter()
            .map(|property| (property.name, kind(property.kind)))
            .collect()
    }

    fn histories(&self, plan: &Plan) -> Walked {
        walked(self, plan)
    }

    fn without_each(&self) -> BTreeMap<&'static str, usize> {
        let states = |word| graph(&Checked::without(self.world.clone(), word)).projected;
        let taken = graph(self).taken;
        let words = taken.into_iter().filter(|(_, times)| *times > 0);
        words.map(|(word, _)| (word, states(word))).collect()
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Always => "always",
        Kind::Sometimes => "sometimes",
    }
}

/// Two explorations of one world judge it alike.
fn agreement<C>(explored: &Explored<C>, graph: &Graph<C>) -> Verdict {
    let broken: BTreeSet<&str> = explored.broken.iter().map(|it| it.property).collect();
    // stateright stops early where every property is decided: counts are compared only if it had to go on.
    let whole = !broken.is_empty() || explored.states == graph.states;
    Verdict {
        name: "stateright finds the same states and judges them alike",
        kind: "always",
        holds: whole
            && broken.iter().eq(graph.broken.keys())
            && explored.never_seen == graph.never_seen,
        counterexample: None,
    }
}

fn liveness<W: World>(graph: &Graph<W::Choice>) -> Verdict {
    let wedge = wedge(graph);
    Verdict {
        name: wedge.map_or("every fair run converges", |wedge| wedge.name()),
        kind: "at last",
        holds: wedge.is_none(),
        counterexample: wedge.map(|wedge| Telling::of::<W>(&graph.way_to(wedge.state()))),
    }
}
