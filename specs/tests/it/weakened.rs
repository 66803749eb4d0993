//! Each guard of each specification matters: it is seen to allow and to refuse, and without it something passes that
//! the specification forbids. What passes then is in the snapshots, guard by guard, for review.
//!
//! The runs are those of the worlds of machines; what is tried in each of their moments is every action of any other
//! moment: records lost, doubled, exchanged, and of another time are among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::path::Path;

use model::machines::store::{Limits, Store};
use specs::checked::Checked;
use specs::create_pod::machines::{MachinesWorld, Shipped, stormy};
use specs::create_pod::{Action as PodAction, CreatePod};
use specs::guards::{Asked, heard, watch};
use specs::lease::LeaseWorld;
use specs::specification::Specification;
use specs::store::{StoreSpecification, StoreWorld};
use specs::watch::machines;
use specs::watch::specification::{Action as WatchAction, Watch};
use specs::watch::watcher::Watcher;
use specs::world::{World, walk};

/// The actions of random histories.
fn runs<S: Specification, W: World>(
    world: &Checked<W>,
    seeds: u64,
    steps: usize,
) -> Vec<Vec<S::Action>> {
    let run = |seed| {
        heard(|| {
            let violation = walk(world, seed, steps).err();
            assert!(violation.is_none(), "seed {seed}: {violation:#?}");
        })
    };
    (0..seeds).map(run).collect()
}

/// What is known of a guard.
#[derive(Default)]
struct Known {
    asked: Asked,
    /// The actions that it alone refuses.
    alone: BTreeSet<String>,
    /// The guards that refuse what it does not.
    with: BTreeSet<&'static str>,
}

/// Tries actions of all moments in every moment of the runs, with and without the guard that refuses.
fn weaken<S: Specification>(
    specification: &S,
    runs: &[Vec<S::Action>],
    most: usize,
    word: fn(&S::Action) -> String,
) -> BTreeMap<&'static str, Known> {
    let mut pool: Vec<&S::Action> = Vec::new();
    for action in runs.iter().flatten() {
        if !pool.contains(&action) {
            pool.push(action);
        }
    }
    let every = pool.len().div_ceil(most).max(1);
    let mut known: BTreeMap<&'static str, Known> = BTreeMap::new();
    let mut note = |asked: BTreeMap<&'static str, Asked>| {
        for (guard, asked) in asked {
            let known = known.entry(guard).or_default();
            known.asked.allowed += asked.allowed;
            known.asked.refused += asked.refused;
        }
    };
    let mut missing: BTreeMap<&'static str, (BTreeSet<String>, BTreeSet<&'static str>)> =
        BTreeMap::new();
    let mut moment = 0;
    for run in runs {
        let mut state = specification.begin();
        for action in run {
            // Another part of the pool in each moment.
            moment += 1;
            for tried in pool.iter().skip(moment % every).step_by(every) {
                let apply = || specification.apply(&mut state.clone(), tried).err();
                let (refused, asked) = watch(None, apply);
                note(asked);
                let Some(refused) = refused else { continue };
                let missing = missing.entry(refused.guard).or_default();
                if missing.0.len() < 3 {
                    match watch(Some(refused.guard), apply).0 {
                        None => missing.0.insert(word(tried)),
                        Some(other) => missing.1.insert(other.guard),
                    };
                }
            }
            let (applied, asked) = watch(None, || specification.apply(&mut state, action));
            note(asked);
            assert_eq!(applied, Ok(()), "a run is one of the specification");
        }
    }
    for (guard, (alone, with)) in missing {
        let known = known.entry(guard).or_default();
        (known.alone, known.with) = (alone, with);
    }
    known
}

/// The names of the guards in the sources of a folder: the first text after `guard(` or `Refused::by(`.
fn guards_of(files: &[&str]) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(folder.join(file)).expect("a source is there");
        for begin in ["guard(\n", "guard(", "Refused::by("] {
            for (at, _) in text.match_indices(begin) {
                let name = text[at..].split('"').nth(1).unwrap_or_default();
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// The first word of an action's name for itself.
fn first(action: &impl Debug) -> String {
    let text = format!("{action:?}");
    let end = text.find(|letter: char| !letter.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}

/// The names of the variants of an alphabet of the model.
fn alphabet(file: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src/actions");
    let text = std::fs::read_to_string(folder.join(file)).expect("a source is there");
    let (_, body) = text.split_once("Action {\n").expect("an alphabet");
    let body = body.split("\n}\n").next().expect("an end");
    let variants = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        let name: String = line.chars().take_while(|it| it.is_alphanumeric()).collect();
        line.starts_with(char::is_uppercase).then_some(name)
    });
    variants.collect()
}

fn table(
    known: &BTreeMap<&'static str, Known>,
    guards: &BTreeSet<String>,
    told: &BTreeSet<String>,
    alphabets: &[&str],
) -> String {
    let mut table = String::new();
    let mut line =
        |text: String| writeln!(table, "{text}").expect("a string takes what is written");
    let joined = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join(", ");
    line("guard | without it passes".to_owned());
    for guard in guards {
        let Some(known) = known.get(guard.as_str()) else {
            line(format!("{guard} | NEVER ASKED"));
            continue;
        };
        let Asked { allowed, refused } = known.asked;
        let passes = match (refused, known.alone.is_empty()) {
            (0, _) => "NEVER REFUSES".to_owned(),
            (_, true) => format!(
                "nothing: {}",
                known.with.iter().copied().collect::<Vec<_>>().join(", ")
            ),
            (_, false) => joined(&known.alone),
        };
        let never = if allowed == 0 { " | NEVER ALLOWS" } else { "" };
        line(format!("{guard} | {passes}{never}"));
    }
    let all: BTreeSet<String> = alphabets.iter().flat_map(|file| alphabet(file)).collect();
    let silent: BTreeSet<String> = all.difference(told).cloned().collect();
    line(format!("\nactions told: {}", joined(told)));
    line(format!("never told here: {}", joined(&silent)));
    table
}

fn told<A>(runs: &[Vec<A>], word: fn(&A) -> String) -> BTreeSet<String> {
    runs.iter().flatten().map(word).collect()
}

#[test]
fn guards_of_the_store() {
    let world = Checked::new(StoreWorld {
        machine: Store::new(Limits::default()),
        attempts: 3,
        crashes: 1,
        compactions: 2,
    });
    let mut runs = runs::<StoreSpecification, _>(&world, 40, 80);
    let leases = Checked::new(LeaseWorld {
        machine: Store::new(Limits::default()),
        asks: 6,
        puts: 4,
        crashes: 1,
    });
    runs.extend(self::runs::<StoreSpecification, _>(&leases, 40, 80));
    let known = weaken(&StoreSpecification, &runs, 150, first);
    let guards = guards_of(&[
        "store/specification.rs",
        "store/leases.rs",
        "store/watches.rs",
    ]);
    insta::assert_snapshot!(table(&known, &guards, &told(&runs, first), &["store.rs"]));
}

fn watch_word(action: &WatchAction) -> String {
    match action {
        WatchAction::Server { action, .. } => first(action),
        WatchAction::Client { action, .. } => first(action),
        other => first(other),
    }
}

#[test]
fn guards_of_the_watch() {
    let world = machines::world("large");
    let specification: Watch = world.watch.clone();
    let mut runs = Vec::new();
    for streams in [false, true] {
        let world = Checked::new(machines::MachinesWorld {
            extras: 4,
            streams,
            ..world.clone()
        });
        runs.extend(self::runs::<Watch, _>(&world, 60, 100));
    }
    let known = weaken(&specification, &runs, 150, watch_word);
    let guards = guards_of(&[
        "watch/specification.rs",
        "watch/cache.rs",
        "watch/opened.rs",
        "watch/reflector.rs",
    ]);
    let alphabets = ["watch_cache.rs", "reflector.rs"];
    insta::assert_snapshot!(table(&known, &guards, &told(&runs, watch_word), &alphabets));
}

#[test]
fn guards_of_a_watcher() {
    let world = machines::world("large");
    let mut all = Vec::new();
    for streams in [false, true] {
        let world = Checked::new(machines::MachinesWorld {
            extras: 3,
            streams,
            ..world.clone()
        });
        all.extend(runs::<Watcher, _>(&world, 60, 80));
    }
    let known = weaken(&Watcher, &all, 150, first);
    let guards = guards_of(&["watch/watcher.rs"]);
    insta::assert_snapshot!(table(&known, &guards, &told(&all, first), &[]));
}

fn pod_word(action: &PodAction) -> String {
    match action {
        PodAction::ApiServer(_, action) => first(action),
        PodAction::Scheduler(action) => first(action),
        PodAction::Kubelet(_, action) => first(action),
        PodAction::KubeletStarted(_) => first(action),
    }
}

#[test]
fn guards_of_create_pod() {
    let world = stormy(Shipped);
    let specification = CreatePod {
        allocatable: [0, 1]
            .map(|node| (format!("node-{node}"), one_pod()))
            .into(),
        ..CreatePod::default()
    };
    let runs = runs::<CreatePod, _>(
        &Checked::new(MachinesWorld {
            deletable: 2,
            ..world
        }),
        60,
        150,
    );
    let known = weaken(&specification, &runs, 120, pod_word);
    let guards = guards_of(&[
        "create_pod/write.rs",
        "create_pod/pod.rs",
        "create_pod/node.rs",
        "create_pod/name.rs",
    ]);
    let alphabets = ["transaction.rs", "scheduler.rs", "kubelet.rs"];
    insta::assert_snapshot!(table(&known, &guards, &told(&runs, pod_word), &alphabets));
}

fn one_pod() -> model::rules::resources::Requests {
    model::rules::resources::Requests {
        cpu_milli: 1,
        memory_bytes: 0,
    }
}
