//! The repository's rules, as tests: what depends on what, what a file may hold, that nothing lies about.
//!
//! Every rule collects all its faults before it fails, each as one line that names the file and the mend.

mod edges;
mod files;
mod layout;
mod links;
mod purity;
mod sources;

/// Fails with every fault found, a line each.
#[track_caller]
fn none(rule: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}
