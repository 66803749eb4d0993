//! `plimsoll conformance`: the watch suite against any Kubernetes API server.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use conformance::suite::observed::Observed;
use conformance::suite::{Outcome, Verdict, judge};
use serde_json::json;

use super::table::Columns;
use crate::client::{Server, find_kubeconfig};
use crate::suite::{Plan, observe};

/// Hold a running Kubernetes, this one or any other, against the specification.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Conformance {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll conformance run                              the cluster of `plimsoll up`
  plimsoll conformance run --kubeconfig ~/.kube/config  any other
  plimsoll conformance run --report junit > watch.xml
  plimsoll conformance judge session.json               a recorded session once more

Exit codes: 0 every guarantee kept, 1 one broken or inconclusive, 2 the command line is not understood.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write, list and watch, and judge everything seen against the guarantees of watches
    ///
    /// Black box: only what a client can observe. Config maps are written in a namespace of the suite's own, which is
    /// removed afterwards. A guarantee of which nothing telling was seen is inconclusive, which is a failure too.
    Run {
        /// How to reach the cluster [default: $KUBECONFIG, else that of `plimsoll up`]
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<PathBuf>,
        /// Reach it here instead, without TLS
        #[arg(long, value_name = "http://HOST:PORT", conflicts_with = "kubeconfig")]
        server: Option<String>,
        /// What to check
        #[arg(long, value_enum, default_value_t = Suite::Watch)]
        suite: Suite,
        /// How many clients write at once
        #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
        clients: u32,
        /// For how many seconds they write, at least
        #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        duration: u64,
        /// What every choice of the clients follows from
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// How to report
        #[arg(long, value_enum, default_value_t = Form::Text)]
        report: Form,
        /// Keep everything observed in this file, for `conformance judge`
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// Judge a session that was recorded
    Judge {
        /// The file that `--record` wrote
        file: PathBuf,
        /// How to report
        #[arg(long, value_enum, default_value_t = Form::Text)]
        report: Form,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// The seventeen guarantees of lists and watches
    Watch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table, and what broke each guarantee
    Text,
    /// An object with a verdict for each guarantee
    Json,
    /// A test suite as CI systems read it
    Junit,
}

impl Conformance {
    /// Carries the verb out. Fails with 1 if a guarantee is broken or nothing was seen of it.
    ///
    /// # Errors
    /// If the server cannot be reached or used, or a file not be read or written.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        let (observed, form) = match self.verb {
            Verb::Run {
                kubeconfig,
                server,
                suite: Suite::Watch,
                clients,
                duration,
                seed,
                report,
                record,
            } => {
                let server = match server {
                    Some(url) => Server::from_url(&url)?,
                    None => Server::from_kubeconfig(&find_kubeconfig(kubeconfig.as_deref()))?,
                };
                let plan = Plan {
                    clients,
                    duration: Duration::from_secs(duration),
                    seed,
                };
                let observed = observe(&server, plan, |line| eprintln!("{line}"))?;
                if let Some(file) = record {
                    let text = serde_json::to_vec(&observed)?;
                    std::fs::write(&file, text).with_context(|| file.display().to_string())?;
                }
                (observed, report)
            }
            Verb::Judge { file, report } => {
                let named = || file.display().to_string();
                let text = std::fs::read(&file).with_context(named)?;
                let observed: Observed = serde_json::from_slice(&text).with_context(named)?;
                (observed, report)
            }
        };
        let verdicts = judge(&observed);
        match form {
            Form::Text => text(&observed, &verdicts),
            Form::Json => println!(
                "{}",
                serde_json::to_string_pretty(&object(&observed, &verdicts))?
            ),
            Form::Junit => print!("{}", junit(&verdicts)),
        }
        let kept = verdicts
            .iter()
            .all(|verdict| verdict.outcome() == Outcome::Kept);
        Ok(if kept {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// How many breaches of a guarantee are shown; the rest look like them.
const SHOWN: usize = 5;

fn text(observed: &Observed, verdicts: &[Verdict]) {
    let headings = ["#", "GUARANTEE", "INSTANCES", "VERDICT"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for verdict in verdicts {
        rows.push(vec![
            verdict.guarantee.number().to_string(),
            verdict.guarantee.promise().to_owned(),
            verdict.instances.to_string(),
            said(verdict).to_owned(),
        ]);
    }
    print!("{}", Columns::default().lines(&rows));
    for verdict in verdicts
        .iter()
        .filter(|verdict| !verdict.breaches.is_empty())
    {
        println!(
            "\n{}: {} times broken",
            verdict.guarantee.promise(),
            verdict.breaches.len()
        );
        for breach in verdict.breaches.iter().take(SHOWN) {
            println!(
                "  {} at revision {}: {}",
                breach.who, breach.revision, breach.what
            );
        }
    }
    let events: usize = observed
        .watches
        .iter()
        .map(|watch| watch.events.len())
        .sum();
    println!(
        "{} writes, {} lists, {} watches, {events} events",
        observed.writes.len(),
        observed.lists.len(),
        observed.watches.len()
    );
}

fn said(verdict: &Verdict) -> &'static str {
    match verdict.outcome() {
        Outcome::Kept => "kept",
        Outcome::Broken => "BROKEN",
        Outcome::Inconclusive => "INCONCLUSIVE",
    }
}

fn object(observed: &Observed, verdicts: &[Verdict]) -> serde_json::Value {
    let verdicts: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            json!({
                "number": verdict.guarantee.number(),
                "guarantee": verdict.guarantee,
                "outcome": verdict.outcome(),
                "instances": verdict.instances,
                "breaches": verdict.breaches,
            })
        })
        .collect();
    json!({
        "writes": observed.writes.len(),
        "lists": observed.lists.len(),
        "watches": observed.watches.len(),
        "verdicts": verdicts,
    })
}

fn junit(verdicts: &[Verdict]) -> String {
    let failures = verdicts
        .iter()
        .filter(|verdict| verdict.outcome() != Outcome::Kept)
        .count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"watch\" tests=\"{}\" failures=\"{failures}\">\n",
        verdicts.len()
    );
    for verdict in verdicts {
        let name = escaped(verdict.guarantee.promise());
        let number = verdict.guarantee.number();
        text.push_str(&format!(
            "  <testcase classname=\"watch\" name=\"{number} {name}\""
        ));
        let why: Vec<String> = match verdict.outcome() {
            Outcome::Kept => {
                text.push_str("/>\n");
                continue;
            }
            Outcome::Inconclusive => vec!["nothing telling was observed".to_owned()],
            Outcome::Broken => verdict
                .breaches
                .iter()
                .map(|breach| format!("{} at {}: {}", breach.who, breach.revision, breach.what))
                .collect(),
        };
        let message = escaped(said(verdict));
        let detail = escaped(&why.join("\n"));
        text.push_str(&format!(
            ">\n    <failure message=\"{message}\">{detail}</failure>\n  </testcase>\n"
        ));
    }
    text.push_str("</testsuite>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
