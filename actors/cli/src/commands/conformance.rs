//! `plimsoll conformance`: suites for any Kubernetes API server.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use conformance::suite::judge;
use conformance::suite::observed::Observed;
use conformance::suite::store;

use ::store::Engine;
use ::store::etcd::EtcdAddress;
use model::rules::duration;

use crate::client::{Server, find_kubeconfig};
use crate::suite::{
    Plan, Report, check_api, check_pods, observe, observe_engine, observe_etcd, report_of_store,
};

/// How long a session may last.
const LASTING: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

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
  plimsoll conformance run --suite api --report junit > api.xml
  plimsoll conformance run --suite create-pod --image registry.k8s.io/pause:3.10
  plimsoll conformance run --store-etcd http://127.0.0.1:2379     a real etcd, by its own API
  plimsoll conformance run --store embedded                       a store of this project, started for it
  plimsoll conformance judge session.json               a recorded session of watches once more

Exit codes: 0 every promise kept, 1 one broken or inconclusive, or the cluster cannot be used, 2 the command line is
not understood.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Use a cluster as its clients do, and judge everything seen
    ///
    /// Black box: only what a client can observe. Everything is made in a namespace of the suite's own, which is removed
    /// afterwards. A promise of which nothing telling was seen is inconclusive, which is a failure too.
    Run(Run),
    /// Judge a session that was recorded
    Judge {
        /// The file that `--record` wrote
        file: PathBuf,
        /// How to report
        #[arg(long, value_enum, default_value_t = Form::Text)]
        report: Form,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// How to reach the cluster [default: $KUBECONFIG, else that of `plimsoll up`]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Reach it here instead, without TLS
    #[arg(long, value_name = "http://HOST:PORT", conflicts_with = "kubeconfig")]
    server: Option<String>,
    /// Hold an etcd against the promises of a store instead, by its own API; keys are written below a prefix of the
    /// suite's own. History is compacted, which is everybody's in that etcd
    #[arg(long, value_name = "http://HOST:PORT,…", conflicts_with_all = ["kubeconfig", "server", "suite", "store"])]
    store_etcd: Option<EtcdAddress>,
    /// The same of a store of this project over an engine, started for it and reached as the API server reaches it
    #[arg(long, value_name = "embedded|etcd=URL,…", conflicts_with_all = ["kubeconfig", "server", "suite"])]
    store: Option<Engine>,
    /// What to check
    #[arg(long, value_enum, default_value_t = Suite::Watch)]
    suite: Suite,
    /// How many clients write, or create pods, at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    clients: u32,
    /// For how long they do, at least: seconds, or as in 90s or 1h30m; a second at least, a day at most
    #[arg(long, default_value = "20s", value_parser = lasting)]
    duration: Duration,
    /// What every choice of the clients follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How to report
    #[arg(long, value_enum, default_value_t = Form::Text)]
    report: Form,
    /// The image of the pods of `--suite create-pod`: one that goes on running [on other clusters: registry.k8s.io/pause:3.10]
    #[arg(long, value_name = "IMAGE", default_value = "plimsoll/echo")]
    image: String,
    /// Keep everything observed by `--suite watch`, or of a store, in this file, for `conformance judge`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// The seventeen guarantees of lists and watches
    Watch,
    /// The life of pods: placed once, started, replaced, ended, never two of one name
    CreatePod,
    /// Objects, their writes and lists, as the documents of Kubernetes promise them
    Api,
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
    /// Carries the verb out. Fails with 1 if a promise is broken or nothing was seen of it.
    ///
    /// # Errors
    /// If the server cannot be reached or used, or a file not be read or written.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        let (report, form) = match self.verb {
            Verb::Run(run) => (run.report()?, run.report),
            Verb::Judge { file, report } => {
                let named = || file.display().to_string();
                let text = std::fs::read(&file).with_context(named)?;
                (judged(&text).with_context(named)?, report)
            }
        };
        match form {
            Form::Text => print!("{}", report.text()),
            Form::Json => println!("{}", serde_json::to_string_pretty(&report.json())?),
            Form::Junit => print!("{}", report.junit()),
        }
        Ok(match report.is_kept() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

/// How long a session lasts: in seconds, or in Kubernetes' notation.
fn lasting(text: &str) -> Result<Duration, String> {
    let lasting = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Duration::from_nanos(duration::parse(text).map_err(|error| error.to_string())?),
    };
    match LASTING.contains(&lasting) {
        true => Ok(lasting),
        false => Err("a session lasts for a second at least, and for a day at most".to_owned()),
    }
}

/// Judges a recorded session, of watches or of a store.
fn judged(text: &[u8]) -> anyhow::Result<Report> {
    if let Ok(observed) = serde_json::from_slice::<store::observed::Observed>(text) {
        return Ok(report_of_store(&observed));
    }
    let observed: Observed = serde_json::from_slice(text)?;
    Ok(Report::of_watches(&observed, &judge(&observed)))
}

impl Run {
    /// Runs the suite.
    fn report(&self) -> anyhow::Result<Report> {
        let progress = |line: &str| eprintln!("{line}");
        let plan = Plan {
            clients: self.clients,
            duration: self.duration,
            seed: self.seed,
        };
        let of_store = match (&self.store_etcd, &self.store) {
            (Some(address), _) => Some(observe_etcd(address, plan, progress)?),
            (None, Some(engine)) => Some(observe_engine(engine.clone(), plan, progress)?),
            (None, None) => None,
        };
        if let Some(observed) = of_store {
            self.record(&observed)?;
            return Ok(report_of_store(&observed));
        }
        let server = match &self.server {
            Some(url) => Server::from_url(url)?,
            None => Server::from_kubeconfig(&find_kubeconfig(self.kubeconfig.as_deref()))?,
        };
        match self.suite {
            Suite::Watch => {
                let observed = observe(&server, plan, progress)?;
                self.record(&observed)?;
                Ok(Report::of_watches(&observed, &judge(&observed)))
            }
            Suite::CreatePod => check_pods(&server, plan, &self.image, progress),
            Suite::Api => check_api(&server, progress),
        }
    }

    /// Keeps what was observed, if that is wanted.
    fn record(&self, observed: &impl serde::Serialize) -> anyhow::Result<()> {
        if let Some(file) = &self.record {
            let text = serde_json::to_vec(observed)?;
            std::fs::write(file, text).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }
}
