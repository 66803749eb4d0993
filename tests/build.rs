//! Tells the tests what they can have here: root, kubectl and etcd. Without it they are ignored by name; in CI they are not,
//! and fail. And whether the clusters keep their objects as a user's do by default, in the embedded store; those tests
//! that are about it are ignored by name if not.

use std::os::unix::fs::MetadataExt;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(root)");
    println!("cargo::rustc-check-cfg=cfg(kubectl)");
    println!("cargo::rustc-check-cfg=cfg(etcd)");
    println!("cargo::rustc-check-cfg=cfg(embedded)");
    println!("cargo::rerun-if-changed=build.rs");
    for variable in ["CI", "PATH", "USER", "PLIMSOLL_TEST_STORE"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let ci = std::env::var_os("CI").is_some();
    if ci || matches!(std::fs::metadata("/proc/self").map(|own| own.uid()), Ok(0)) {
        println!("cargo::rustc-cfg=root");
    }
    // What it may say stands in `cluster/engine.rs`.
    if std::env::var_os("PLIMSOLL_TEST_STORE").is_none() {
        println!("cargo::rustc-cfg=embedded");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in ["kubectl", "etcd"] {
        if ci || std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
            println!("cargo::rustc-cfg={program}");
        }
    }
}
