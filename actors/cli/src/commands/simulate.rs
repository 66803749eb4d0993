//! `plimsoll simulate`: the whole cluster in one thread and in virtual time, with everything that can go wrong.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use conformance::simulation::{self, Faults, Options, Outcome, Report};
use indicatif::{ProgressBar, ProgressStyle};
use specs::histories::Plan;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The source that this program was made from, as far as its build could tell.
const COMMIT: &str = match option_env!("PLIMSOLL_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
/// What is logged with `-v` unless PLIMSOLL_LOG says otherwise.
const LOGGED: &str = "info,quinn=warn,quinn_proto=warn";

/// Simulate a cluster: the real components and the real QUIC in one thread, with simulated hosts.
///
/// Network, disk, containers and clocks are simulated, and every choice follows from the seed: the same seed gives the
/// same run, on any machine. Clients create, delete, scale and watch; faults happen; then the cluster is given time to
/// become quiet. A run fails if anything acknowledged is lost, a container runs twice at once, a watcher is sent
/// anything but the store's history, the cluster does not come to what was asked for, or a trace leaves a specification.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Simulate {
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after another
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Nodes of each cluster
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    nodes: u8,
    /// What may go wrong: all, none, or names with commas between them
    #[arg(long, value_name = "LIST", default_value = "all")]
    faults: Faults,
    /// How long clients act and faults happen, in minutes of the simulation's own time
    #[arg(long, value_name = "M", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
    /// Simulations at a time [default: one for each processor]
    #[arg(long, value_name = "J")]
    jobs: Option<NonZeroUsize>,
    /// Walk the pure world of a specification instead: no sockets, no shells, many thousand short histories
    #[arg(long, value_name = "SPECIFICATION", value_parser = super::spec::names(),
        conflicts_with_all = ["nodes", "faults", "minutes", "jobs", "keep", "verbose"])]
    world: Option<String>,
    /// The size of that world [default: its largest]
    #[arg(long, value_name = "SIZE", requires = "world")]
    size: Option<String>,
    /// Keep the traces of each run in DIR/seed-N
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Tell everything that happens, on standard error; for a single run
    #[arg(long, short)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll simulate --seed 1 --runs 1000            a thousand clusters
  plimsoll simulate --seed 42 -v                    one of them, with what everyone said
  plimsoll simulate --faults crash,power --nodes 1  crashes only
  plimsoll simulate --world watch --runs 100000     histories of a specification, thousands a second

Ctrl-C ends a set of runs after those under way, with their report; once more, at once.

Exit codes: 0 every run holds, 1 one does not, 130 interrupted and those that were made hold.";
/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 128 + 2;

impl Simulate {
    /// Simulates, and reports. Fails with 1 if a run does not hold.
    ///
    /// # Errors
    /// If a simulation cannot be made.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        if let Some(world) = &self.world {
            let plan = Plan::new(self.seed, self.runs);
            return super::histories::execute(world, self.size.as_deref(), &plan);
        }
        if self.verbose {
            anyhow::ensure!(
                self.runs == 1,
                "--verbose is for a single run: say --runs 1"
            );
            log();
        }
        let bar = ProgressBar::new(self.runs);
        let style = "{bar:30} {pos}/{len} simulations, {elapsed} ({eta} to go) {msg}";
        bar.set_style(ProgressStyle::with_template(style)?);
        if self.runs == 1 {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let stopped = Arc::new(AtomicBool::new(false));
        if self.runs > 1 {
            stop_on_signal(stopped.clone())?;
        }
        let mut report = Report::default();
        let all = self.each(&stopped, |outcome| {
            if !outcome.failures.is_empty() {
                bar.suspend(|| self.tell(&outcome));
            }
            if self.runs == 1 {
                println!(
                    "seed {}: fingerprint {:016x}",
                    outcome.seed, outcome.fingerprint
                );
            }
            report.add(outcome);
            bar.inc(1);
        });
        bar.finish_and_clear();
        all?;
        print!("{report}");
        Ok(match (report.failed.is_empty(), report.runs < self.runs) {
            (true, false) => ExitCode::SUCCESS,
            (true, true) => ExitCode::from(INTERRUPTED),
            (false, _) => ExitCode::FAILURE,
        })
    }

    /// Simulates every seed, several at a time, each in a thread of its own, until all are done or it is stopped.
    fn each(&self, stopped: &AtomicBool, mut done: impl FnMut(Outcome)) -> anyhow::Result<()> {
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let jobs = self.jobs.unwrap_or(processors).get();
        let next = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let (send, outcomes) = mpsc::channel();
            for _ in 0..jobs {
                let (send, next) = (send.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let ended = number >= self.runs
                            || stopped.load(Ordering::Relaxed)
                            || send.send(self.one(self.seed.wrapping_add(number))).is_err();
                        if ended {
                            return;
                        }
                    }
                });
            }
            drop(send);
            for outcome in outcomes {
                done(outcome?);
            }
            Ok(())
        })
    }

    fn one(&self, seed: u64) -> anyhow::Result<Outcome> {
        let options = Options {
            seed,
            nodes: self.nodes,
            acting: Duration::from_secs(self.minutes * 60),
            faults: self.faults.clone(),
        };
        let failed = || format!("seed {seed} could not be simulated");
        match &self.keep {
            Some(keep) => {
                let directory = keep.join(format!("seed-{seed}"));
                ensure!(
                    !directory.exists(),
                    "{} is there already, and traces of two runs in one directory are none: remove it, or choose another \
                     with --keep",
                    directory.display()
                );
                simulation::run(&options, &directory).with_context(failed)
            }
            None => {
                let directory = tempfile::tempdir().context("no temporary directory")?;
                simulation::run(&options, directory.path()).with_context(failed)
            }
        }
    }

    fn tell(&self, outcome: &Outcome) {
        let Simulate {
            nodes,
            faults,
            minutes,
            ..
        } = self;
        let seed = outcome.seed;
        println!("FAILED: seed {seed}, commit {COMMIT}");
        for failure in &outcome.failures {
            println!("  {failure}");
        }
        println!(
            "  again: plimsoll simulate --seed {seed} --runs 1 --nodes {nodes} --minutes {minutes} --faults {faults} -v"
        );
    }
}

/// Sets the flag at the first Ctrl-C or SIGTERM; the second ends the program.
fn stop_on_signal(stopped: Arc<AtomicBool>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let waiting = async move {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stopped.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED.into());
            }
            eprintln!("ending after the runs under way");
        }
    };
    std::thread::spawn(move || -> std::io::Result<()> { runtime.block_on(waiting) });
    Ok(())
}

/// The time of a log line, in the simulation's own seconds, and the process whose line it is.
struct Virtual;

impl FormatTime for Virtual {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let seconds = simulation::elapsed().unwrap_or_default().as_secs_f64();
        let process = simulation::current();
        let process = process.as_deref().unwrap_or("simulation");
        write!(w, "{seconds:>9.3} {process:<18}")
    }
}

fn log() {
    let filter = EnvFilter::try_from_env("PLIMSOLL_LOG").unwrap_or_else(|_| EnvFilter::new(LOGGED));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_target(false)
        .with_timer(Virtual)
        .with_writer(std::io::stderr)
        .init();
}
