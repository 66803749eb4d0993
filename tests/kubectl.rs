//! An unmodified kubectl against the cluster: what it prints and with which code it ends, as golden files.

mod follow;
mod normalised;
mod script;

use crate::cluster::Cluster;
use script::Script;

/// The whole script, one cluster. Each section is a golden file; `INSTA_UPDATE=always` writes them.
#[test]
#[cfg_attr(not(all(root, kubectl)), ignore = "needs root and kubectl")]
fn kubectl() {
    let cluster = Cluster::start(&[]);
    prints_the_golden_files(&cluster);
    cluster.stop();
}

/// Runs the whole script on a fresh cluster.
pub(crate) fn prints_the_golden_files(cluster: &Cluster) {
    for (name, text) in SECTIONS {
        insta::assert_snapshot!(format!("kubectl_{name}"), Script::parse(text).run(cluster));
    }
}

/// The commands, a line each; a line that begins with `<` is the standard input of the command above it, and one that
/// begins with `until ` repeats its command until it prints the words after the arrow.
const SECTIONS: &[(&str, &str)] = &[
    ("discovery", include_str!("kubectl/discovery.txt")),
    ("objects", include_str!("kubectl/objects.txt")),
    ("pods", include_str!("kubectl/pods.txt")),
    ("replicasets", include_str!("kubectl/replicasets.txt")),
    ("kinds", include_str!("kubectl/kinds.txt")),
    ("errors", include_str!("kubectl/errors.txt")),
];
