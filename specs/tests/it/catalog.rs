//! What is asked of every specification of the catalog.

use std::collections::BTreeSet;
use std::path::Path;

use specs::catalog::{Listed, Report, all};

fn check(listed: &Listed, size: &str) -> Report {
    let size = listed
        .size(size)
        .unwrap_or_else(|| panic!("{} has no size {size}", listed.name));
    let report = listed.check(size, &mut |_| {});
    let broken: Vec<String> = report
        .properties
        .iter()
        .filter(|verdict| !verdict.holds)
        .map(|verdict| {
            let way = verdict.counterexample.as_ref().map(ToString::to_string);
            format!("{}:\n{}", verdict.name, way.unwrap_or_default())
        })
        .collect();
    let (states, with_ghosts) = (report.states, report.with_ghosts);
    assert!(
        report.holds(),
        "{} {}: {states} states, {with_ghosts} with ghosts, {:?}\n{}",
        listed.name,
        size.name,
        report.taken,
        broken.join("\n")
    );
    report
}

#[test]
fn every_tiny_world_holds_and_every_word_in_it_matters() {
    for listed in all() {
        let states = check(&listed, "tiny").states;
        let size = listed.size("tiny").expect("checked above");
        for (word, without) in (listed.world)(size).without_each() {
            assert!(
                without < states || size.unseen.contains(&word),
                "{}: {states} states, without \"{word}\" {without}",
                listed.name
            );
        }
    }
}

#[test]
fn every_world_of_ci_size_holds() {
    for listed in all() {
        let report = check(&listed, "ci");
        println!(
            "{}: {} states in {:.1} s",
            listed.name, report.states, report.seconds
        );
    }
}

/// One ReplicaSet, two nodes, two pods, a crash, a stale view: the shipped machines together, whole.
#[test]
#[ignore = "composed: minutes"]
fn the_composed_configuration_holds() {
    for listed in all()
        .iter()
        .filter(|listed| listed.size("composed").is_some())
    {
        let report = check(listed, "composed");
        println!(
            "{}: {} states in {:.1} s",
            listed.name, report.states, report.seconds
        );
    }
}

#[test]
#[ignore = "large: many minutes"]
fn every_large_world_holds() {
    for listed in all().iter().filter(|listed| listed.size("large").is_some()) {
        let report = check(listed, "large");
        println!(
            "{}: {} states in {:.1} s",
            listed.name, report.states, report.seconds
        );
    }
}

/// The table of a README has a row for each property and each property has a row, with the function that decides it.
#[test]
fn every_readme_lists_exactly_its_properties() {
    for listed in all() {
        let rows: BTreeSet<(&str, &str)> = listed
            .readme
            .lines()
            .filter_map(|line| {
                let cells: Vec<&str> = line
                    .trim()
                    .trim_matches('|')
                    .split('|')
                    .map(str::trim)
                    .collect();
                match cells[..] {
                    [name, kind @ ("always" | "sometimes"), _, _] => Some((name, kind)),
                    _ => None,
                }
            })
            .collect();
        let size = listed
            .size("tiny")
            .expect("every specification has a tiny size");
        let properties: BTreeSet<(&str, &str)> =
            (listed.world)(size).properties().into_iter().collect();
        assert_eq!(rows, properties, "{}", listed.name);
    }
}

/// The functions that the tables name exist.
#[test]
fn every_function_of_a_table_exists() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for listed in all() {
        let functions = listed.readme.lines().filter_map(|line| {
            let cells: Vec<&str> = line
                .trim()
                .trim_matches('|')
                .split('|')
                .map(str::trim)
                .collect();
            match cells[..] {
                [_, "always" | "sometimes", _, function] => Some(function.trim_matches('`')),
                _ => None,
            }
        });
        for function in functions {
            assert!(
                [format!("fn {function}("), format!("fn {function}<")]
                    .iter()
                    .any(|declared| sources.contains(declared)),
                "{}: there is no function `{function}`",
                listed.name
            );
        }
    }
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("a source is text"));
        }
    }
    text
}

/// What a README says was explored is what is recorded.
#[test]
fn every_readme_tells_its_sizes() {
    for listed in all() {
        for size in listed.sizes {
            let told = separated(size.states);
            assert!(
                listed.readme.contains(&told),
                "{}: the README does not tell {told} states ({})",
                listed.name,
                size.name
            );
        }
    }
}

/// A number with commas between thousands.
fn separated(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
