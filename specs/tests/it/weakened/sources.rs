//! What the sources have: guards by their place, actions by their alphabet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where a guard stands: the path below the repository, and the line from 1.
pub type At = (String, u32);

/// Every guard of every specification, by its place: its name, with a number where the name stands in several.
pub fn guards(of: &[&str]) -> BTreeMap<At, String> {
    let mut files = Vec::new();
    for one in of {
        let path = sources().join(one);
        match path.is_dir() {
            true => sources_below(&path, &mut files),
            false => files.push(path),
        }
    }
    files.sort();
    let mut guards = BTreeMap::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source is there");
        let folder = sources();
        let below = file.strip_prefix(&folder).expect("a source of this crate");
        let path = format!("specs/src/{}", below.display());
        for (at, name) in named(&text) {
            let line = 1 + text[..at].matches('\n').count() as u32;
            let times = times.entry(name.clone()).or_default();
            *times += 1;
            let name = match *times {
                1 => name,
                times => format!("{name} ({times})"),
            };
            guards.insert((path.clone(), line), name);
        }
    }
    guards
}

/// Where guards begin in a text, each with its name: the first text after `guard(` or `present(`.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for begin in ["guard(", "present("] {
        for (at, _) in text.match_indices(begin) {
            let before = text[..at].chars().next_back();
            let called = !before.is_some_and(|it| it.is_alphanumeric() || it == '_');
            let declared = text[..at].ends_with("fn ");
            let name = text[at..].split('"').nth(1);
            if let (true, false, Some(name)) = (called, declared, name) {
                named.push((at, name.to_owned()));
            }
        }
    }
    named.sort();
    named
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            sources_below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The names of the variants of an alphabet: an enum of a file, below this crate's folder.
pub fn alphabet((file, name): &(&str, &str)) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).expect("a source is there");
    let begin = format!("pub enum {name} {{\n");
    let (_, body) = text.split_once(&begin).expect("an alphabet");
    let body = body.split("\n}\n").next().expect("an end");
    let variants = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        let name: String = line.chars().take_while(|it| it.is_alphanumeric()).collect();
        line.starts_with(char::is_uppercase).then_some(name)
    });
    variants.collect()
}

/// No guard stands where no test looks.
#[test]
fn every_guard_is_of_a_specification_that_is_weakened() {
    let all: BTreeSet<At> = guards(&[""]).into_keys().collect();
    let looked_at = super::gaps::SPECIFICATIONS.iter();
    let looked_at: BTreeSet<At> = looked_at
        .flat_map(|one| guards(one.sources).into_keys())
        .collect();
    let missed: Vec<&At> = all.difference(&looked_at).collect();
    assert!(missed.is_empty(), "{missed:?}");
    assert!(looked_at.len() > 50, "{}", looked_at.len());
}
