//! `plimsoll bench`: figures of any Kubernetes API server.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;

use crate::bench::{self, Scale, Started};
use crate::client::{Server, find_kubeconfig};

/// Measure an API server: pods created, listed and watched, start-up, memory.
///
/// Works with any Kubernetes API server. Latencies are the client's: from before a request is sent until its answer is
/// read, over one kept-alive HTTP/1.1 connection a client. The pods name a scheduler that does not exist, so none
/// runs. Everything happens in namespaces that are made for it and removed after it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    /// How to reach the cluster [default: $KUBECONFIG, else that of `plimsoll up`]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Reach it here instead, without TLS
    #[arg(long, value_name = "http://HOST:PORT", conflicts_with = "kubeconfig")]
    server: Option<String>,
    /// Start a fresh cluster for it, in a temporary directory, and measure its start too
    #[arg(long, conflicts_with_all = ["kubeconfig", "server"])]
    start: bool,
    /// Start that cluster with --single-process
    #[arg(long, requires = "start")]
    single_process: bool,
    /// Pods in the largest measurement
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pods: u32,
    /// Watchers that wait for every event
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=5_000))]
    watchers: u16,
    /// Measure the memory of these processes and their descendants [default: those of the local cluster]
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    processes: Vec<i32>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll bench --start                            a fresh cluster, measured from its start
  plimsoll bench --kubeconfig ~/.kube/config        any cluster
  plimsoll bench --start --json > figures.json";

impl Bench {
    /// Measures, and prints what was found.
    ///
    /// # Errors
    /// Whatever the server refuses.
    pub fn execute(mut self) -> anyhow::Result<()> {
        let started = self
            .start
            .then(|| Started::new(self.single_process))
            .transpose()?;
        let server = match (&self.server, &started) {
            (Some(url), _) => Server::from_url(url)?,
            (None, Some(started)) => Server::from_kubeconfig(&started.kubeconfig())?,
            (None, None) => {
                let kubeconfig = find_kubeconfig(self.kubeconfig.as_deref());
                self.processes.extend(supervisor_of(&kubeconfig));
                Server::from_kubeconfig(&kubeconfig)?
            }
        };
        self.processes
            .extend(started.as_ref().map(Started::process));
        ensure!(!self.processes.contains(&0), "0 is not a process");
        let scale = Scale {
            pods: self.pods as usize,
            watchers: usize::from(self.watchers),
            processes: self.processes,
        };
        let mut report = bench::run(&server, &scale)?;
        report.start_to_readyz_ms = started
            .as_ref()
            .map(|started| started.readyz.as_secs_f64() * 1e3);
        report.start_to_ready_ms = started
            .as_ref()
            .map(|started| started.ready.as_secs_f64() * 1e3);
        print!(
            "{}",
            if self.json {
                report.json()? + "\n"
            } else {
                report.table()
            }
        );
        Ok(())
    }
}

/// The process of the `up` that wrote a kubeconfig, if it is one of ours and runs.
fn supervisor_of(kubeconfig: &Path) -> Option<i32> {
    let lock = kubeconfig.parent()?.join("lock");
    std::fs::read_to_string(lock).ok()?.trim().parse().ok()
}
