//! Where what the runs show falls short: held against the list in `specs/README.md`, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use specs::guards::Place;

use super::sources::{At, alphabet, guards};
use super::{Known, Shown};

/// A specification that is weakened.
pub struct Weakened {
    /// Its name in the list.
    pub name: &'static str,
    /// Where its guards are, below `specs/src`.
    pub sources: &'static [&'static str],
    /// Its alphabets: files below `specs`, and the enum in each.
    alphabets: &'static [(&'static str, &'static str)],
}

const MODEL: [(&str, &str); 6] = [
    ("../model/src/actions/store.rs", "StoreAction"),
    ("../model/src/actions/watch_cache.rs", "WatchCacheAction"),
    ("../model/src/actions/reflector.rs", "ReflectorAction"),
    ("../model/src/actions/transaction.rs", "TransactionAction"),
    ("../model/src/actions/scheduler.rs", "SchedulerAction"),
    ("../model/src/actions/kubelet.rs", "KubeletAction"),
];

/// All of them.
pub const SPECIFICATIONS: [Weakened; 4] = [
    Weakened {
        name: "store",
        sources: &["store"],
        alphabets: &[MODEL[0]],
    },
    Weakened {
        name: "watch",
        sources: &[
            "watch/specification.rs",
            "watch/cache.rs",
            "watch/opened.rs",
            "watch/reflector.rs",
        ],
        alphabets: &[MODEL[1], MODEL[2]],
    },
    Weakened {
        name: "watcher",
        sources: &["watch/watcher.rs"],
        alphabets: &[("src/watch/watcher.rs", "Observed")],
    },
    Weakened {
        name: "create-pod",
        sources: &["create_pod"],
        alphabets: &[MODEL[3], MODEL[4], MODEL[5]],
    },
];

/// Every guard of a specification, by its place.
fn of(name: &str) -> (&'static Weakened, BTreeMap<At, String>) {
    let weakened = SPECIFICATIONS.iter().find(|one| one.name == name);
    let weakened = weakened.expect("one of the specifications");
    (weakened, guards(weakened.sources))
}

/// What passes without each guard.
pub fn table(name: &str, shown: &Shown) -> String {
    let guards = of(name).1;
    let mut table = String::from("guard | without it passes\n");
    for (at, guard) in &guards {
        let known = shown.at(at);
        let passes = known.map_or(String::new(), |known| passes(at, known, &guards));
        writeln!(table, "{guard} | {passes}").expect("a string takes what is written");
    }
    table
}

/// Holds what runs have shown of a specification against the list.
pub fn hold(name: &str, shown: &Shown) {
    let (weakened, guards) = of(name);
    let mut found = BTreeSet::new();
    for (at, guard) in &guards {
        for gap in gaps(at, shown.at(at)) {
            found.insert((guard.clone(), gap.to_owned()));
        }
    }
    let all: BTreeSet<String> = weakened.alphabets.iter().flat_map(alphabet).collect();
    for action in all.difference(&shown.told) {
        found.insert((action.clone(), NEVER_TOLD.to_owned()));
    }
    let listed: BTreeSet<(String, String)> = rows()
        .into_iter()
        .filter(|[specification, ..]| specification == name)
        .map(|[_, what, short, _]| (what, short))
        .collect();
    let lines = |pairs: Vec<&(String, String)>| -> String {
        let lines = pairs.into_iter();
        lines
            .map(|(what, short)| format!("\n| {name} | {what} | {short} |"))
            .collect()
    };
    let more = lines(found.difference(&listed).collect());
    let less = lines(listed.difference(&found).collect());
    assert!(
        more.is_empty() && less.is_empty(),
        "specs/README.md lists what no run of {name} shows.\nNot listed: {more}\nListed, but shown: {less}"
    );
}

const NEVER_TOLD: &str = "is never told";

/// In what a guard falls short.
fn gaps(at: &At, known: Option<&Known>) -> Vec<&'static str> {
    let Some(known) = known else {
        return vec!["is never asked"];
    };
    let mut gaps = Vec::new();
    if known.asked.allowed == 0 {
        gaps.push("never allows");
    }
    if known.asked.refused == 0 {
        gaps.push("never refuses");
    } else if known.alone.is_empty() && !nothing_to_go_on_with(at, known) {
        gaps.push("forbids nothing alone");
    }
    gaps
}

/// A guard that cannot be left out: what it asks for is what comes next.
fn nothing_to_go_on_with(place: &At, known: &Known) -> bool {
    known.with.iter().any(|other| at(other) == *place)
}

fn passes(place: &At, known: &Known, guards: &BTreeMap<At, String>) -> String {
    let joined = |words: BTreeSet<&str>| words.into_iter().collect::<Vec<_>>().join(", ");
    if !known.alone.is_empty() {
        return joined(known.alone.iter().map(String::as_str).collect());
    }
    if nothing_to_go_on_with(place, known) {
        return "nothing, for there is nothing to go on with".to_owned();
    }
    let with = known.with.iter();
    let others = with.filter_map(|other| guards.get(&at(other)).map(String::as_str));
    match joined(others.collect()) {
        others if others.is_empty() => String::new(),
        others => format!("nothing: {others}"),
    }
}

impl Shown {
    fn at(&self, place: &At) -> Option<&Known> {
        let mut places = self.places.iter();
        places
            .find(|(other, _)| at(other) == *place)
            .map(|(_, known)| known)
    }
}

fn at(place: &Place) -> At {
    (place.file.to_owned(), place.line)
}

/// The rows of the list.
fn rows() -> Vec<[String; 4]> {
    let readme = include_str!("../../../README.md");
    let (_, list) = readme
        .split_once("| specification | guard or action | what no run shows | why |\n")
        .expect("specs/README.md has the list");
    let rows = list.lines().take_while(|line| line.starts_with('|'));
    rows.skip(1)
        .map(|row| {
            let cells = row.trim_matches('|').split('|');
            let cells: Vec<String> = cells.map(|cell| cell.trim().to_owned()).collect();
            let cells = <[String; 4]>::try_from(cells);
            cells.unwrap_or_else(|_| panic!("a row of four cells: {row}"))
        })
        .collect()
}

/// The list names no specification that nothing looks at, and gives a reason for everything.
#[test]
fn every_row_of_the_list_is_of_a_specification_and_has_a_reason() {
    for [specification, what, _, why] in rows() {
        let known = SPECIFICATIONS.iter().any(|one| one.name == specification);
        assert!(known && !why.is_empty(), "{specification}: {what}");
    }
}
