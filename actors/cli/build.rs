//! Tells the tests whether they run as root: without it some are ignored by name. In CI they are not, and fail.
//! Tells the program which commit it was made from, so that a failed simulation can name it.

use std::process::Command;

fn main() {
    commit();
    println!("cargo::rustc-check-cfg=cfg(root)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CI");
    println!("cargo::rerun-if-env-changed=USER");
    let owner =
        std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own));
    if matches!(owner, Ok(0)) || std::env::var_os("CI").is_some() {
        println!("cargo::rustc-cfg=root");
    }
}

/// Without git, or outside of a repository, the program does not know its commit.
fn commit() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo::rustc-env=PLIMSOLL_COMMIT={commit}");
    }
    // It grows with every commit and checkout.
    if let Some(log) = git(&[
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "logs/HEAD",
    ]) {
        println!("cargo::rerun-if-changed={log}");
    }
}
