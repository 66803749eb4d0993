//! What lies where: the top level, the size of files, the names of modules.

use std::collections::BTreeSet;

use super::none;
use super::sources::{read, root, rust_below, shown};

/// Everything at the top level that is not hidden.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "actors",
    "conformance",
    "model",
    "specs",
    "tests",
    "transport",
];

/// A source file longer than this holds more than one idea, in lines.
const LINES_MAX: usize = 400;

/// The same for a file of tests, which is a list of cases.
const TEST_LINES_MAX: usize = 600;

/// Names that say nothing about what a module is.
const EMPTY_NAMES: &[&str] = &[
    "common", "util", "utils", "helper", "helpers", "misc", "types", "manager",
];

#[test]
fn the_top_level_is_the_house() {
    let found: BTreeSet<String> = std::fs::read_dir(root())
        .expect("the root is readable")
        .map(|entry| {
            entry
                .expect("the root is readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    let expected: BTreeSet<String> = TOP_LEVEL.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, expected);
}

#[test]
fn files_hold_one_idea() {
    let mut faults = Vec::new();
    for file in rust_below(root()) {
        let (path, lines) = (shown(&file), read(&file).lines().count());
        let most = if path.contains("tests/") {
            TEST_LINES_MAX
        } else {
            LINES_MAX
        };
        if lines > most {
            faults.push(format!("{path}: {lines} lines; split it by ideas"));
        }
    }
    none("sizes of files", faults);
}

#[test]
fn modules_say_what_they_are() {
    let mut faults = Vec::new();
    for file in rust_below(root()) {
        let path = shown(&file);
        let named = path
            .trim_end_matches(".rs")
            .split('/')
            .find(|part| EMPTY_NAMES.contains(part));
        if let Some(name) = named {
            faults.push(format!(
                "{path}: `{name}` says nothing; name it by what it holds"
            ));
        }
    }
    none("names of modules", faults);
}
