//! `plimsoll trace`: what a cluster recorded, held against the specifications.

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use conformance::check::replays::REPLAY;
use conformance::check::{Beside, Rejection, Report, check};
use conformance::timeline::timeline;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::table::Columns;
use crate::checker;

/// Hold the traces of a cluster against the specifications.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Trace {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll trace check ~/.local/share/plimsoll/trace
  plimsoll trace check store.store.1.trace --json
  plimsoll trace show ~/.local/share/plimsoll/trace --about web-1 --about kubelet
  plimsoll trace check --follow ~/.local/share/plimsoll/trace --metrics 127.0.0.1:9464";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check traces: a verdict for each specification; exit code 1 if one of them is left
    Check {
        /// Trace files, and directories of them
        #[arg(required = true, value_name = "DIR|FILE")]
        paths: Vec<PathBuf>,
        /// Follow the traces of a running cluster, tell of violations at once, end with the verdict on Ctrl-C
        #[arg(long, conflicts_with_all = ["no_replay", "witness"])]
        follow: bool,
        /// Serve violations and lag here while following, as Prometheus reads them: GET /metrics
        #[arg(long, value_name = "ADDR", requires = "follow")]
        metrics: Option<SocketAddr>,
        /// Ask also what the stopped cluster in DIR has left: its store's file and its containers' logs
        #[arg(long, value_name = "DIR")]
        witness: Option<PathBuf>,
        /// Do not run machines again from their recorded inputs
        #[arg(long)]
        no_replay: bool,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Show what traces hold, a line for each action, in the order in which it can have happened
    Show {
        /// Trace files, and directories of them
        #[arg(required = true, value_name = "DIR|FILE")]
        paths: Vec<PathBuf>,
        /// Only lines that contain this: a name, a UID, a component, an action
        #[arg(long, value_name = "TEXT")]
        about: Vec<String>,
    },
}

impl Trace {
    /// Carries the verb out. Fails with 1 if a trace leaves a specification.
    ///
    /// # Errors
    /// If the traces cannot be read.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        let (paths, beside, follow, metrics, json) = match self.verb {
            Verb::Check {
                paths,
                follow,
                metrics,
                witness,
                no_replay,
                json,
            } => {
                let replay = !no_replay;
                (paths, Beside { replay, witness }, follow, metrics, json)
            }
            Verb::Show { paths, about } => return lines(&paths, &about),
        };
        let report = match follow {
            true => followed(&paths, metrics)?,
            false => check(&paths, &beside)?,
        };
        if json {
            println!("{}", serde_json::to_string_pretty(&object(&report))?);
        } else {
            print(&report);
        }
        Ok(if report.accepted() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Prints every action about which all of the texts are.
fn lines(paths: &[PathBuf], about: &[String]) -> anyhow::Result<ExitCode> {
    let timeline = timeline(paths)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for moment in &timeline.moments {
        let line = format!("{:>8} {}: {:?}", moment.revision, moment.place, moment.said);
        if about.iter().all(|text| line.contains(text.as_str())) {
            match writeln!(out, "{line}") {
                // Whoever reads has seen enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                written => written?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Follows a directory until Ctrl-C or SIGTERM.
fn followed(paths: &[PathBuf], metrics: Option<SocketAddr>) -> anyhow::Result<Report> {
    let [directory] = paths else {
        bail!("--follow takes one directory");
    };
    ensure!(
        directory.is_dir(),
        "{} is no directory; --follow takes the DIR/trace of a cluster",
        directory.display()
    );
    let ended = shell::run(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let end = async {
            tokio::select! {
                biased;
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let ready = || eprintln!("following {}", directory.display());
        let tell = |_: &str, rejection: &Rejection| show(rejection);
        checker::follow(directory, metrics, end, ready, tell).await
    });
    ended.context("no event loop")?
}

fn print(report: &Report) {
    let headings = ["SPECIFICATION", "SUBJECTS", "ACTIONS", "VERDICT"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for verdict in &report.verdicts {
        rows.push(vec![
            verdict.specification.to_owned(),
            verdict.subjects.to_string(),
            verdict.actions.to_string(),
            match verdict.rejections.len() {
                0 => "accepted".to_owned(),
                count => format!("{count} REJECTED"),
            },
        ]);
    }
    print!("{}", Columns::default().lines(&rows));
    for rejection in report
        .verdicts
        .iter()
        .flat_map(|verdict| &verdict.rejections)
    {
        show(rejection);
    }
    let rate = report.actions as f64 / report.seconds.max(0.001);
    println!(
        "{} files, {} records, {} actions in {:.2} s, {rate:.0} a second",
        report.files, report.records, report.actions, report.seconds
    );
    if let Some(replayed) = report
        .verdicts
        .iter()
        .find(|one| one.specification == REPLAY)
    {
        println!(
            "{} machines run again, {} steps in {:.2} s",
            replayed.subjects, replayed.actions, report.replay_seconds
        );
    }
}

fn show(rejection: &Rejection) {
    println!("\n{} left its specification", rejection.subject);
    for line in &rejection.before {
        println!("    {line}");
    }
    if let Some(place) = &rejection.place {
        println!("  > {place}: {}", rejection.action);
    }
    println!("  \"{}\" forbids it: {}", rejection.guard, rejection.detail);
    if !rejection.state.is_empty() {
        println!("  known then: {}", shortened(&rejection.state));
    }
}

/// A state of thousands of keys helps nobody on a terminal; JSON has it whole.
fn shortened(state: &str) -> String {
    const SHOWN: usize = 2_000;
    match state.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… (--json has all of it)", &state[..end]),
        None => state.to_owned(),
    }
}

fn object(report: &Report) -> serde_json::Value {
    let verdicts: Vec<_> = report
        .verdicts
        .iter()
        .map(|verdict| {
            let rejections: Vec<_> = verdict.rejections.iter().map(rejected).collect();
            json!({
                "specification": verdict.specification,
                "subjects": verdict.subjects,
                "actions": verdict.actions,
                "rejections": rejections,
            })
        })
        .collect();
    json!({
        "accepted": report.accepted(),
        "files": report.files,
        "records": report.records,
        "actions": report.actions,
        "seconds": report.seconds,
        "replay_seconds": report.replay_seconds,
        "container_starts": report.container_starts,
        "verdicts": verdicts,
    })
}

fn rejected(rejection: &Rejection) -> serde_json::Value {
    json!({
        "subject": rejection.subject,
        "place": rejection.place.as_ref().map(ToString::to_string),
        "action": rejection.action,
        "guard": rejection.guard,
        "detail": rejection.detail,
        "before": rejection.before,
        "state": rejection.state,
    })
}
