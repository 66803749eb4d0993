//! `plimsoll run COMPONENT`: one component in this process.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use shell::{Environment, Shutdown, Why};
use tokio::signal::unix::{SignalKind, signal};

use crate::cluster::{FAILED, READY, log_to};
use crate::components::{self, Component};

/// Run one component of a cluster, as `up` does for each.
///
/// It takes its certificates from DIR/pki, where `up` puts them, logs to standard error or a file (PLIMSOLL_LOG says
/// what, as in `warn,plimsoll_store=debug`) and says `ready` on standard output when it serves.
#[derive(Debug, Args)]
pub struct Run {
    /// Process id of the supervisor: when that one ends, however it does, so does this one
    #[arg(long, value_name = "PID", hide = true)]
    supervised_by: Option<i32>,
    /// Log there instead of to standard error; what becomes long is put aside as FILE.1
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Which one.
    #[command(subcommand)]
    component: Component,
}

impl Run {
    /// Runs the component until SIGTERM or Ctrl-C.
    ///
    /// # Errors
    /// What kept it from starting or ended it.
    pub fn execute(self) -> anyhow::Result<()> {
        if let Some(supervisor) = self.supervised_by {
            set_pdeathsig(Signal::SIGKILL).context("the supervisor's end cannot be followed")?;
            // It may have ended before the request was made.
            ensure!(
                getppid().as_raw() == supervisor,
                "the supervisor {supervisor} is gone"
            );
        }
        log_to(self.log.as_deref())?;
        let supervised = self.supervised_by.is_some();
        let ended = shell::run(serve(self.component, supervised)).context("no event loop")?;
        if let (Err(error), true) = (&ended, supervised) {
            println!("{FAILED}{}", format!("{error:#}").replace('\n', " "));
        }
        ended
    }
}

/// A supervisor that sends SIGTERM takes the cluster down. Anyone else may be about to start this component again,
/// so what it holds (a kubelet's pods) stays.
async fn serve(component: Component, supervised: bool) -> anyhow::Result<()> {
    let (trigger, shutdown) = Shutdown::new();
    let why = if supervised { Why::Stop } else { Why::Restart };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::task::spawn_local(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        trigger.ask(why);
    });
    let ready = Box::new(|| println!("{READY}"));
    components::start(component, Environment::system(), shutdown, ready).await
}
