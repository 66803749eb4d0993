//! The command as a process, and its JSON report.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::cluster::plimsoll;

/// What a run said.
pub(super) struct Report {
    pub(super) code: Option<i32>,
    pub(super) verdicts: Vec<Value>,
    errors: String,
}

/// `plimsoll conformance run` with options.
pub(super) fn conformance(options: &[&str]) -> Command {
    let mut command = Command::new(plimsoll());
    command.args(["conformance", "run"]).args(options);
    command.env("KUBECONFIG", Path::new("/nonexistent"));
    command
}

/// Runs it with a JSON report.
pub(super) fn run(options: &[&str]) -> Report {
    let output = conformance(options).args(["--report", "json"]).output();
    Report::of(&output.expect("the command runs"))
}

impl Report {
    pub(super) fn of(output: &Output) -> Self {
        let report: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let verdicts = report.and_then(|report| report["verdicts"].as_array().cloned());
        Report {
            code: output.status.code(),
            verdicts: verdicts.unwrap_or_default(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The guarantees with an outcome.
    pub(super) fn with(&self, outcome: &str) -> BTreeSet<&str> {
        self.verdicts
            .iter()
            .filter(|verdict| verdict["outcome"] == outcome)
            .filter_map(|verdict| verdict["name"].as_str())
            .collect()
    }

    pub(super) fn broken(&self) -> BTreeSet<&str> {
        self.with("broken")
    }

    /// Whether it said so on its standard error.
    pub(super) fn says(&self, text: &str) -> bool {
        self.errors.contains(text)
    }

    /// Everything, for people.
    pub(super) fn shown(&self) -> String {
        let told: Vec<String> = self
            .verdicts
            .iter()
            .filter(|verdict| verdict["outcome"] != "kept")
            .map(|verdict| {
                let first = verdict["details"].as_array().and_then(|all| all.first());
                let first = first.and_then(Value::as_str).unwrap_or_default();
                let short: String = first.chars().take(300).collect();
                format!("{} {}: {short}", verdict["name"], verdict["outcome"])
            })
            .collect();
        format!(
            "exit {:?}\n  {}\n{}",
            self.code,
            told.join("\n  "),
            self.errors
        )
    }

    /// Nothing is held against the server.
    #[track_caller]
    pub(super) fn assert_silent(&self) {
        let judged = !self.verdicts.is_empty();
        assert!(judged && self.broken().is_empty(), "{}", self.shown());
    }

    #[track_caller]
    pub(super) fn assert_kept(&self) {
        let kept = self.with("kept").len();
        assert!(
            self.code == Some(0) && kept == self.verdicts.len() && kept > 0,
            "{}",
            self.shown()
        );
    }
}
