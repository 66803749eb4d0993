//! Each guard of each specification matters: it is asked, it allows and it refuses, and without it something passes that
//! the specification forbids. Every action of each alphabet is told. What passes without each guard is in the
//! snapshots, place by place; where a guard or an action falls short of this, `specs/README.md` lists it with the
//! reason, and the list is held against what the runs show, both ways.
//!
//! The runs are those of the worlds, and of machines that are given whatever comes; what is tried in each of their
//! moments is every action of any other moment and what an action becomes when a record of it is altered: records lost,
//! doubled, exchanged, altered, and of another time are among them.

mod altered;
mod busy_kubelet;
mod busy_store;
mod create_pod;
mod gaps;
mod small;
mod sources;
mod store;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use specs::checked::Checked;
use specs::guards::{Asked, Place, Watched, heard, watch};
use specs::histories::{Plan, history};
use specs::specification::Specification;
use specs::world::World;

/// The actions of random histories.
fn runs<S: Specification, W: World>(
    world: &Checked<W>,
    histories: u64,
    steps: usize,
) -> Vec<Vec<S::Action>> {
    let plan = Plan {
        steps,
        ..Plan::new(0, histories)
    };
    let run = |seed| {
        heard(|| {
            let violation = history(world, seed, &plan, &mut BTreeMap::new()).err();
            assert!(violation.is_none(), "seed {seed}: {violation:#?}");
        })
    };
    (0..histories).map(run).collect()
}

/// The actions of random histories of a world with a bug, each as far as the specification does not notice.
fn runs_with_a_bug<S: Specification, W: World>(
    specification: &S,
    world: &Checked<W>,
    histories: u64,
    steps: usize,
) -> Vec<Vec<S::Action>> {
    let plan = Plan {
        steps,
        ..Plan::new(0, histories)
    };
    let run = |seed| {
        let mut run = heard(|| drop(history(world, seed, &plan, &mut BTreeMap::new())));
        accepted(specification, &mut run);
        run
    };
    (0..histories).map(run).collect()
}

/// Cuts a run short where it is none of the specification's.
fn accepted<S: Specification>(specification: &S, run: &mut Vec<S::Action>) {
    let mut state = specification.begin();
    let fine = |action: &&S::Action| specification.apply(&mut state, action).is_ok();
    let fine = run.iter().take_while(fine).count();
    run.truncate(fine);
}

/// What is known of a guard.
#[derive(Default)]
struct Known {
    asked: Asked,
    /// The actions that it alone refuses.
    alone: BTreeSet<String>,
    /// The guards that refuse what it does not.
    with: BTreeSet<Place>,
}

/// What runs have shown of a specification.
#[derive(Default)]
struct Shown {
    places: BTreeMap<Place, Known>,
    told: BTreeSet<String>,
}

/// How a run is taken for what it shows.
struct Look<S: Specification> {
    specification: S,
    /// How many actions of other moments are tried in each, at most; and as many altered ones. Of a single run, all.
    tries: usize,
    word: fn(&S::Action) -> String,
    altered: fn(&S::Action) -> Vec<S::Action>,
}

impl Shown {
    fn note(&mut self, watched: &Watched) {
        for (place, asked) in &watched.asked {
            let known = self.places.entry(*place).or_default();
            known.asked.allowed += asked.allowed;
            known.asked.refused += asked.refused;
        }
    }

    /// Tries actions of all moments in every moment of the runs, with and without the guard that refuses.
    fn weaken<S: Specification>(&mut self, look: &Look<S>, runs: &[Vec<S::Action>]) {
        let pools = pools(look, runs);
        let mut moment = 0;
        for run in runs {
            let mut state = look.specification.begin();
            for action in run {
                self.told.insert((look.word)(action));
                // Another part of the pool in each moment.
                moment += 1;
                for pool in &pools {
                    let every = match runs.len() {
                        1 => 1,
                        _ => pool.len().div_ceil(look.tries).max(1),
                    };
                    for tried in pool.iter().skip(moment % every).step_by(every) {
                        self.attempt(look, &state, tried);
                    }
                }
                let apply = || look.specification.apply(&mut state, action);
                let (applied, watched) = watch(None, apply);
                self.note(&watched);
                assert_eq!(applied, Ok(()), "a run is one of the specification");
            }
        }
    }

    /// Tries an action that need not be allowed.
    fn attempt<S: Specification>(&mut self, look: &Look<S>, state: &S::State, tried: &S::Action) {
        let apply = || look.specification.apply(&mut state.clone(), tried).err();
        let (_, watched) = watch(None, apply);
        self.note(&watched);
        let Some(place) = watched.refused else { return };
        let known = self.places.entry(place).or_default();
        if known.alone.len() < 3 {
            match watch(Some(place), apply) {
                (None, _) => {
                    known.alone.insert((look.word)(tried));
                }
                (Some(_), watched) => known.with.extend(watched.refused),
            }
        }
    }
}

/// The actions of all moments, and what each becomes when it is altered.
fn pools<S: Specification>(look: &Look<S>, runs: &[Vec<S::Action>]) -> [Vec<S::Action>; 2] {
    let mut seen = BTreeSet::new();
    let mut distinct = |actions: Vec<S::Action>| -> Vec<S::Action> {
        let new = actions.into_iter();
        new.filter(|action| seen.insert(format!("{action:?}")))
            .collect()
    };
    let told = distinct(runs.iter().flatten().cloned().collect());
    let altered = told.iter().flat_map(look.altered).collect();
    let altered = distinct(altered);
    [told, altered]
}

/// The first word of an action's name for itself.
fn first(action: &impl Debug) -> String {
    let text = format!("{action:?}");
    let end = text.find(|letter: char| !letter.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}
