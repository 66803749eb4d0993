//! `plimsoll bench --start`: a cluster of its own, measured and gone.

use std::process::Command;

use serde_json::Value;

use crate::cluster::plimsoll;

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
#[cfg_attr(
    all(root, not(embedded)),
    ignore = "starts a cluster on the embedded store"
)]
fn a_fresh_cluster_is_measured() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new(plimsoll())
        .args([
            "bench",
            "--start",
            "--pods",
            "20",
            "--watchers",
            "3",
            "--json",
        ])
        .env("TMPDIR", folder.path())
        .output()
        .expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    let creations = report["creations"].as_array().expect("creations");
    assert_eq!(creations.len(), 3, "{report:#}");
    for figure in ["start_to_readyz_ms", "start_to_ready_ms"] {
        assert!(report[figure].as_f64() > Some(0.0), "{figure}: {report:#}");
    }
    let left: Vec<_> = folder.path().read_dir().expect("a directory").collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
