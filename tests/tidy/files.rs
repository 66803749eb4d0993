//! No file that nothing uses: sources that no `mod` reaches, scenarios that nobody plays, snapshots without a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::none;
use super::sources::{code_of, files_below, names, packages, read, root, rust_below, shown};

/// Files that cargo, clippy or a reader finds by their names alone.
const FOUND_BY_NAME: &[&str] = &["Cargo.toml", "README.md", "clippy.toml"];

#[test]
fn every_source_is_reached() {
    let mut faults = Vec::new();
    for package in packages() {
        let mut reached = BTreeSet::new();
        for start in &package.roots {
            reach(start, true, &mut reached);
        }
        let mentions = sources_of(&root().join(&package.folder));
        for file in rust_below(&root().join(&package.folder)) {
            if !reached.contains(&file) && !mentioned(&file, &package.folder, &mentions) {
                faults.push(format!(
                    "{}: no `mod` leads to it; declare it or remove it",
                    shown(&file)
                ));
            }
        }
    }
    none("sources", faults);
}

#[test]
fn every_other_file_is_used() {
    let mut faults = Vec::new();
    for package in packages() {
        let folder = root().join(&package.folder);
        let mentions = sources_of(&folder);
        for file in files_below(&folder) {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let ending = file
                .extension()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let used = match ending.as_str() {
                "rs" => true,
                _ if FOUND_BY_NAME.contains(&name.as_str()) => true,
                // proptest finds them by the name of their test's source file.
                "txt"
                    if file
                        .parent()
                        .is_some_and(|folder| folder.ends_with("proptest-regressions")) =>
                {
                    true
                }
                "snap" => has_test(&file),
                _ => mentioned(&file, &package.folder, &mentions),
            };
            if !used {
                faults.push(format!(
                    "{}: nothing names it; use it or remove it",
                    shown(&file)
                ));
            }
        }
    }
    none("files", faults);
}

/// Adds `file` and every file that its `mod` declarations lead to. A root and a `mod.rs` find their modules beside
/// themselves, any other file in the folder of its name.
fn reach(file: &Path, is_root: bool, reached: &mut BTreeSet<PathBuf>) {
    if !reached.insert(file.to_owned()) {
        return;
    }
    let text = read(file);
    let beside = is_root || file.ends_with("mod.rs");
    let here = if beside {
        file.with_file_name("")
    } else {
        file.with_extension("")
    };
    let mut named_path = None;
    for (line, code) in text.lines().zip(code_of(&text).lines()) {
        if code.trim_start().starts_with("#[path") {
            named_path = line.split('"').nth(1).map(|path| file.with_file_name(path));
        }
        let Some(name) = declared(code) else { continue };
        let candidates = match named_path.take() {
            Some(path) => vec![path],
            None => vec![
                here.join(format!("{name}.rs")),
                here.join(&name).join("mod.rs"),
            ],
        };
        for candidate in candidates
            .into_iter()
            .filter(|candidate| candidate.is_file())
        {
            reach(&candidate, false, reached);
        }
    }
}

/// The name in `pub(crate) mod name;`.
fn declared(code: &str) -> Option<String> {
    let (before, name) = code.trim().strip_suffix(';')?.rsplit_once(' ')?;
    let declares = before == "mod" || before.ends_with(" mod");
    declares.then(|| name.trim_start_matches("r#").to_owned())
}

/// The crate's sources in one text, build script included.
fn sources_of(folder: &Path) -> String {
    let texts = rust_below(folder).into_iter().map(|file| read(&file));
    texts.collect::<Vec<_>>().join("\n")
}

/// Whether the sources mention the file by name, or a folder it lies in (whose files are then read in a loop):
/// as a string of its own or as a part of a path.
fn mentioned(file: &Path, package: &str, sources: &str) -> bool {
    let inner = file.strip_prefix(root().join(package)).unwrap_or(file);
    let tells = |part: &str| {
        !matches!(
            part,
            "src" | "tests" | "it" | "main.rs" | "mod.rs" | "lib.rs"
        )
    };
    inner
        .iter()
        .map(|part| part.to_string_lossy())
        .filter(|part| tells(part))
        .any(|part| {
            sources.match_indices(&*part).any(|(at, _)| {
                sources[..at].ends_with(['"', '/'])
                    && sources[at + part.len()..].starts_with(['"', '/'])
            })
        })
}

/// Whether the test that a snapshot names as its source exists and still makes a snapshot of that name.
fn has_test(snapshot: &Path) -> bool {
    let text = read(snapshot);
    let Some(source) = text.lines().find_map(|line| line.strip_prefix("source: ")) else {
        return false;
    };
    let source = root().join(source.trim_matches('"'));
    if !source.is_file() {
        return false;
    }
    let test = read(&source);
    let stem = snapshot
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let name = stem.rsplit("__").next().unwrap_or(&stem);
    let name = name.split('@').next().unwrap_or(name);
    let numbered = name
        .rsplit_once('-')
        .filter(|(_, number)| number.parse::<u32>().is_ok());
    let name = numbered.map_or(name, |(name, _)| name);
    names(&test, name) || names(&test, &format!("test_{name}")) || makes_names(&test)
}

/// Whether a test makes the names of its snapshots, as one does that goes through the files of a folder.
fn makes_names(test: &str) -> bool {
    test.split("snapshot!(").skip(1).any(|rest| {
        let first = rest
            .trim_start()
            .split([',', ')'])
            .next()
            .unwrap_or_default();
        first.starts_with("format!") || (rest.contains(',') && first.ends_with("name"))
    })
}

#[test]
fn declarations_of_modules_are_seen() {
    assert_eq!(
        declared("    pub(crate) mod store;").as_deref(),
        Some("store")
    );
    assert_eq!(declared("mod r#async;").as_deref(), Some("async"));
    assert_eq!(declared("mod inline {"), None);
    assert_eq!(declared("use model::module;"), None);
}
