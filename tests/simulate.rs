//! The command that simulates, as who runs many sees it.

use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::{PATIENCE, eventually, plimsoll};

/// Whether a process handles a signal itself (proc(5), `SigCgt`).
fn handles(process: Pid, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (signal as u32 - 1)) != 0)
}

#[test]
fn runs_that_are_interrupted_tell_what_was_made() {
    let mut simulate = Command::new(plimsoll());
    simulate.args(["simulate", "--runs", "100000", "--jobs", "1"]);
    simulate.args(["--faults", "none", "--nodes", "1", "--minutes", "1"]);
    let child = simulate
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let process = Pid::from_raw(child.id().cast_signed());
    let handled = eventually(PATIENCE, || handles(process, Signal::SIGINT).then_some(()));
    handled.expect("it handles Ctrl-C");
    kill(process, Signal::SIGINT).expect("a signal");
    let output = child.wait_with_output().expect("its end");
    let (said, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(130), "{said}\n{told}");
    assert!(said.contains(" runs, 0 failed"), "{said}");
    assert!(told.contains("ending after the runs under way"), "{told}");
}
