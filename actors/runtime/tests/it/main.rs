//! The embedded runtime with real containers, looked at from inside and from the node.
//! They need root; without it they are ignored by name (`cfg(root)` comes from the build script).

mod image_files;
mod node;

mod adoption;
mod exec;
mod hostile_images;
mod images;
mod isolation;
mod life;
mod limits;
mod logs;
mod network;
mod socket;

/// Elsewhere a missing prerequisite is an ignored test; in CI it is a failure.
#[test]
fn in_ci_these_tests_have_root() {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!in_ci || cfg!(root), "CI must run these tests as root");
}
