//! Which crate may depend on which: the picture in the README, edge by edge.

use super::none;
use super::sources::{code_of, names, packages, read, root, rust_below, shown};

/// Every crate with the crates of ours that it may name in its manifest, tests included. Components never depend on
/// each other: they talk by messages that `model` declares. Only the kubelet talks to the runtime; the command
/// line puts the parts together, imports images and is the shim program; conformance puts them together on
/// simulated hosts, with a runtime of its own.
const EDGES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("specs", &["model"]),
    ("transport", &["model"]),
    ("actors/shell", &["model", "transport"]),
    ("actors/store", &["model", "transport", "actors/shell"]),
    ("actors/apiserver", &["model", "transport", "actors/shell"]),
    (
        "actors/controllers",
        &["model", "transport", "actors/shell"],
    ),
    ("actors/scheduler", &["model", "transport", "actors/shell"]),
    ("actors/runtime", &["model"]),
    (
        "actors/kubelet",
        &["model", "transport", "actors/shell", "actors/runtime"],
    ),
    (
        "conformance",
        &[
            "model",
            "specs",
            "transport",
            "actors/shell",
            "actors/store",
            "actors/apiserver",
            "actors/controllers",
            "actors/scheduler",
            "actors/runtime",
            "actors/kubelet",
        ],
    ),
    (
        "actors/cli",
        &[
            "model",
            "specs",
            "transport",
            "conformance",
            "actors/shell",
            "actors/store",
            "actors/apiserver",
            "actors/controllers",
            "actors/scheduler",
            "actors/runtime",
            "actors/kubelet",
        ],
    ),
    (
        "tests",
        &["model", "transport", "conformance", "actors/cli"],
    ),
];

/// Packages that only some crates may name, in manifest or source: the package's name, who may, and why.
const RESERVED: &[(&str, &[&str], &str)] = &[
    (
        "stateright",
        &["specs", "conformance"],
        "what ships is not written against its checker",
    ),
    (
        "actix",
        &["actors/shell"],
        "one crate names the actor framework, so that it can be replaced",
    ),
    (
        "actix-rt",
        &["actors/shell"],
        "one crate names the actor framework, so that it can be replaced",
    ),
    (
        "libcontainer",
        &["actors/runtime"],
        "it forks with raw clone: only the shim program may call it",
    ),
    ("redb", &["actors/store"], "only the store has the database"),
    (
        "k8s-openapi",
        &["actors/apiserver", "tests"],
        "it is compiled once, and views are ours",
    ),
    ("quinn", &["transport"], "one crate names the QUIC stack"),
    ("kube", &["tests"], "the client that tests us is not ours"),
];

#[test]
fn crates_depend_in_one_direction() {
    let mut faults = Vec::new();
    for package in packages() {
        let Some((_, allowed)) = EDGES.iter().find(|(folder, _)| *folder == package.folder) else {
            faults.push(format!(
                "{}: no row in EDGES; say what it may depend on",
                package.folder
            ));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(folder) = &dependency.folder
                && !allowed.contains(&folder.as_str())
            {
                faults.push(format!(
                    "{}/Cargo.toml: may not depend on {folder}",
                    package.folder
                ));
            }
        }
    }
    for (folder, _) in EDGES {
        if !packages().iter().any(|package| package.folder == *folder) {
            faults.push(format!(
                "EDGES has a row for {folder}, which is no member of the workspace"
            ));
        }
    }
    none("crates and their edges", faults);
}

#[test]
fn the_table_of_edges_has_no_cycle() {
    let mut placed: Vec<&str> = Vec::new();
    while placed.len() < EDGES.len() {
        let next = EDGES.iter().find(|(folder, needs)| {
            !placed.contains(folder) && needs.iter().all(|need| placed.contains(need))
        });
        let (folder, _) = next.unwrap_or_else(|| panic!("a cycle among what is not in {placed:?}"));
        placed.push(folder);
    }
}

#[test]
fn reserved_packages_stay_where_they_belong() {
    let mut faults = Vec::new();
    for (reserved, owners, reason) in RESERVED {
        for package in packages()
            .iter()
            .filter(|package| !owners.contains(&package.folder.as_str()))
        {
            if package
                .dependencies
                .iter()
                .any(|dependency| dependency.name == *reserved)
            {
                faults.push(format!(
                    "{}/Cargo.toml names {reserved}: {reason}",
                    package.folder
                ));
            }
            let path = format!("{}::", reserved.replace('-', "_"));
            for file in rust_below(&root().join(&package.folder)) {
                if code_of(&read(&file)).contains(&path) {
                    faults.push(format!("{} names {reserved}: {reason}", shown(&file)));
                }
            }
        }
    }
    none("reserved packages", faults);
}

#[test]
fn specifications_know_neither_runtime_nor_network() {
    let mut faults = Vec::new();
    for file in rust_below(&root().join("specs")) {
        let code = code_of(&read(&file));
        for word in ["actix", "tokio", "quinn"] {
            if names(&code, word) {
                faults.push(format!("{} names {word}", shown(&file)));
            }
        }
    }
    none("specs are pure", faults);
}

#[test]
fn lints_and_edition_are_the_workspaces() {
    let mut faults = Vec::new();
    for package in packages() {
        for line in [
            "[lints]\nworkspace = true",
            "edition.workspace = true",
            "version.workspace = true",
        ] {
            if !package.manifest.contains(line) {
                let line = line.replace('\n', " ");
                faults.push(format!("{}/Cargo.toml lacks `{line}`", package.folder));
            }
        }
        for dependency in package
            .manifest
            .lines()
            .filter(|line| line.contains("version = \""))
        {
            faults.push(format!(
                "{}/Cargo.toml: `{dependency}` belongs into the root's [workspace.dependencies]",
                package.folder
            ));
        }
    }
    none("manifests inherit", faults);
}
