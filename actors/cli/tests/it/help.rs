//! Every help text, and that `-h` is no failure.

use crate::{plimsoll, text};

const VERBS: &[&[&str]] = &[
    &[],
    &["up"],
    &["get"],
    &["apply"],
    &["image"],
    &["bench"],
    &["run"],
    &["run", "apiserver"],
    &["run", "kubelet"],
];

#[test]
fn help() {
    for verb in VERBS {
        let output = plimsoll(&[verb, ["--help"].as_slice()].concat());
        assert!(output.status.success(), "{verb:?}");
        let name = if verb.is_empty() {
            "plimsoll".to_owned()
        } else {
            verb.join("_")
        };
        insta::assert_snapshot!(format!("help_{name}"), text(&output.stdout));
    }
}

#[test]
fn the_version_is_the_packages() {
    let output = plimsoll(&["--version"]);
    assert_eq!(
        text(&output.stdout),
        format!("plimsoll {}\n", env!("CARGO_PKG_VERSION"))
    );
}
