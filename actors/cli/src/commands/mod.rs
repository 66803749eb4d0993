//! The command line: a file for each verb.

mod apply;
mod bench;
mod conformance;
mod explain;
mod exploring;
mod get;
mod histories;
mod image;
mod resource;
mod run;
mod shim;
mod simulate;
mod spec;
mod table;
mod trace;
mod up;

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

pub use table::Columns;

/// A Kubernetes-compatible cluster in one binary.
///
/// `plimsoll up` starts a cluster on this machine and stays in the foreground; any Kubernetes client talks to it
/// with the kubeconfig that it writes.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, arg_required_else_help = true, max_term_width = 100, after_help = EXAMPLES)]
pub struct Plimsoll {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll up                        a cluster of one node, until Ctrl-C
  plimsoll up --nodes 3              a cluster of three
  plimsoll get pods -A               what runs, without kubectl
  plimsoll apply -f web.yaml         objects from a file
  plimsoll bench --start             how fast it is
  plimsoll simulate --runs 100       a hundred clusters with everything that can go wrong

Exit codes: 0 done, 1 failed, 2 the command line is not understood.";

/// The verbs. What each says of itself is with its options.
#[derive(Debug, Subcommand)]
pub enum Command {
    Up(up::Up),
    Get(get::Get),
    Apply(apply::Apply),
    Image(image::Image),
    Bench(bench::Bench),
    Explain(explain::Explain),
    Spec(spec::Spec),
    Conformance(conformance::Conformance),
    Trace(trace::Trace),
    Simulate(simulate::Simulate),
    Run(run::Run),
    #[command(hide = true)]
    Shim(shim::Shim),
}

impl Command {
    /// Carries the verb out.
    ///
    /// # Errors
    /// Whatever kept it from being done, as one line that names the thing, the reason and the mend.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        match self {
            Command::Up(up) => up.execute(),
            Command::Get(get) => get.execute(),
            Command::Apply(apply) => apply.execute(),
            Command::Image(image) => image.execute(),
            Command::Bench(bench) => bench.execute(),
            Command::Explain(explain) => explain.execute(),
            Command::Spec(spec) => return spec.execute(),
            Command::Conformance(suite) => return suite.execute(),
            Command::Trace(trace) => return trace.execute(),
            Command::Simulate(simulate) => return simulate.execute(),
            Command::Run(run) => run.execute(),
            Command::Shim(shim) => return Ok(shim.become_it()),
        }
        .map(|()| ExitCode::SUCCESS)
    }
}

/// Ends the program as for a command line that is not understood: with why, how `verb` is used, and 2.
fn refuse_usage(verb: &str, why: &str) -> ! {
    let mut line = Plimsoll::command();
    line.build();
    let found = line.find_subcommand(verb).cloned();
    found
        .unwrap_or(line)
        .error(ErrorKind::ArgumentConflict, why)
        .exit()
}

/// Runs a client's work on an event loop of its own.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.context("no event loop")?.block_on(work)
}
