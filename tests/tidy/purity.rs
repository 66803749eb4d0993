//! `model` has no clock, no I/O, no randomness, no floats, no hash maps; its layers go one way; and `unsafe` stays
//! where a reason was given for it.

use super::none;
use super::sources::{code_of, names, packages, read, root, rust_below, shown};

/// What `model` may depend on.
const MODEL_DEPENDENCIES: &[&str] = &["bincode", "serde", "serde_json", "thiserror"];

/// Words that the model's source never holds outside comments and strings, and why.
const IMPURE: &[(&str, &str)] = &[
    ("std::time", "time is an input of a machine"),
    ("core::time", "times are whole milliseconds"),
    ("std::net", "sockets belong to the shells"),
    (
        "std::fs",
        "a disk write is an output, its completion an input",
    ),
    (
        "std::io",
        "a disk write is an output, its completion an input",
    ),
    ("std::thread", "threads belong to the shells"),
    ("std::process", "processes belong to the shells"),
    ("std::env", "configuration is part of the machine's value"),
    ("std::sync::Mutex", "a machine has one owner"),
    ("std::cell", "a machine changes only the state it is handed"),
    ("rand", "random choices are inputs"),
    ("Instant", "time is an input of a machine"),
    ("SystemTime", "time is an input of a machine"),
    (
        "HashMap",
        "iteration order differs between runs; use BTreeMap",
    ),
    (
        "HashSet",
        "iteration order differs between runs; use BTreeSet",
    ),
    ("RandomState", "iteration order differs between runs"),
    ("f32", "floats neither hash nor compare exactly"),
    ("f64", "floats neither hash nor compare exactly"),
    (
        "async",
        "a machine does not wait; what it waits for comes as an input",
    ),
    ("unsafe", "pure logic needs none"),
    ("static mut", "a machine's state is what it is handed"),
    ("println", "what happened is an action"),
];

/// The layers of `model`: each may use those before it. `machine`, `messages` and `trace` are beside them.
const LAYERS: &[&str] = &["objects", "rules", "actions", "machines"];

/// Files with unsafe code: why each needs it. The compiler refuses it everywhere else.
const UNSAFE: &[(&str, &str)] = &[
    (
        "actors/runtime/echo/signals.rs",
        "it has the standard library alone, which cannot set a signal's disposition",
    ),
    (
        "actors/runtime/src/shim/signals.rs",
        "`signal(2)` may run any code at any time; only SIG_DFL and SIG_IGN are set",
    ),
];

#[test]
fn model_depends_on_four_packages() {
    let model = packages()
        .iter()
        .find(|package| package.folder == "model")
        .expect("model is a member");
    let mut names: Vec<&str> = model
        .dependencies
        .iter()
        .filter(|dependency| !dependency.development)
        .map(|dependency| dependency.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, MODEL_DEPENDENCIES);
}

#[test]
fn model_is_pure() {
    let mut faults = Vec::new();
    for file in rust_below(&root().join("model/src")) {
        for (number, line) in code_of(&read(&file)).lines().enumerate() {
            for (word, reason) in IMPURE.iter().filter(|(word, _)| names(line, word)) {
                faults.push(format!("{}:{}: {word}: {reason}", shown(&file), number + 1));
            }
        }
    }
    none("model is pure", faults);
}

#[test]
fn layers_of_the_model_go_one_way() {
    let mut faults = Vec::new();
    for (depth, layer) in LAYERS.iter().enumerate() {
        for file in rust_below(&root().join("model/src").join(layer)) {
            let code = code_of(&read(&file));
            for above in &LAYERS[depth + 1..] {
                if code.contains(&format!("crate::{above}")) {
                    faults.push(format!("{}: {layer} may not use {above}", shown(&file)));
                }
            }
        }
    }
    none("layers of the model", faults);
}

#[test]
fn unsafe_code_has_its_reason() {
    let mut faults = Vec::new();
    for file in rust_below(root()) {
        let path = shown(&file);
        let listed = UNSAFE.iter().any(|(listed, _)| *listed == path);
        let allowed = code_of(&read(&file)).contains("allow(unsafe_code)");
        if allowed && !listed {
            faults.push(format!(
                "{path} allows unsafe code; give its reason in tests/tidy/purity.rs"
            ));
        }
        if listed && !allowed {
            faults.push(format!("{path} is listed for unsafe code and has none"));
        }
    }
    for (path, _) in UNSAFE {
        if !root().join(path).is_file() {
            faults.push(format!(
                "{path} is listed for unsafe code and does not exist"
            ));
        }
    }
    none("unsafe code", faults);
}
