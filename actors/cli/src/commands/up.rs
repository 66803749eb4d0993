//! `plimsoll up`: a cluster on this machine, in the foreground.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::Args;
use model::machines::supervisor::{Input, Supervisor};
use shell::{Environment, Handle};
use store::Engine;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::cluster::{
    ApiServing, DataDir, Notice, Pki, Plan, Processes, Progress, Tasks, default_data_dir,
    forget_old_traces, log_to, say, supervise, write_kubeconfig,
};
use crate::components::{Component, EventTtl, Recording, sweep};

/// Start a cluster on this machine and keep it running.
///
/// Stays in the foreground. Ctrl-C (or SIGTERM) stops the pods and then the components, and leaves nothing behind but
/// the data directory; a second Ctrl-C hurries. Started again on the same directory, the cluster goes on with the
/// same objects and starts their pods again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Up {
    /// Where the cluster lives [default: $XDG_DATA_HOME/plimsoll]
    #[arg(long, value_name = "DIR", env = "PLIMSOLL_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// How many nodes, node-1 to node-N; they are all on this machine and each reports its whole capacity
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=254))]
    nodes: u8,
    /// Where clients reach the API: HTTPS with client certificates
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:6443")]
    api_address: SocketAddr,
    /// Serve the API here too, without TLS: whoever can connect is admin
    #[arg(long, value_name = "ADDR")]
    insecure_address: Option<SocketAddr>,
    /// Where the objects are kept: in DIR/store, or in an etcd (3.4 or later, without TLS). Keys in etcd begin with
    /// /plimsoll, or with the URL's path, so that others can use it too
    #[arg(long, value_name = "embedded|etcd=URL,…", default_value_t = Engine::Embedded)]
    store: Engine,
    /// How long an event is kept after it was last written, as in 90s or 1h30m
    #[arg(
        long,
        value_name = "DURATION",
        default_value_t,
        allow_hyphen_values = true
    )]
    event_ttl: EventTtl,
    /// Addresses of pods, a /16; node-N has the Nth /24 of it
    #[arg(long, value_name = "CIDR", default_value = "10.244.0.0/16", value_parser = pod_network)]
    pod_network_cidr: [u8; 2],
    /// Run every component in this process, for less memory; a crash of one is then a crash of all
    #[arg(long)]
    single_process: bool,
    /// What to record in DIR/trace: nothing, what was done, or also what machines were given, to replay it
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Recording::Actions)]
    trace: Recording,
    /// Hold what every component records against the specifications while the cluster runs; DIR/log/checker.log tells
    #[arg(long)]
    check: bool,
    /// Where the check serves violations and lag, as Prometheus reads them: GET /metrics
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:6464",
        requires = "check"
    )]
    check_metrics: SocketAddr,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll up
  plimsoll up --nodes 3 --data-dir /tmp/three --api-address 127.0.0.1:7443
  plimsoll up --store etcd=http://127.0.0.1:2379        the objects in a real etcd
  plimsoll up --store etcd=http://127.0.0.1:2379/mine   the same, under another prefix

Logs are in DIR/log (PLIMSOLL_LOG says what is logged), traces of every decision in DIR/trace.";

impl Up {
    /// Starts the cluster and stays until it has stopped.
    ///
    /// # Errors
    /// What is missing before anything was started, or the component that ended the cluster and its reason.
    pub fn execute(self) -> anyhow::Result<()> {
        let begun = Instant::now();
        if self.insecure_address == Some(self.api_address) {
            super::refuse_usage(
                "up",
                &format!(
                    "--insecure-address and --api-address are both {}: each needs a port of its own",
                    self.api_address
                ),
            );
        }
        ensure!(
            !self.check || self.trace != Recording::Off,
            "--check reads traces: --trace has to be actions or full"
        );
        ensure!(
            nix::unistd::geteuid().is_root(),
            "pods need root: run it as root, as in `sudo plimsoll up`"
        );
        let data_dir = self.data_dir.clone().unwrap_or_else(default_data_dir);
        // A start that cannot be leaves nothing in a new directory. In one that is in use, who uses it is the better
        // answer.
        if !DataDir::was_taken(&data_dir) {
            Plan::check_addresses(self.api_address, self.insecure_address)?;
        }
        let data_dir = DataDir::take(&data_dir)?;
        let plan = Rc::new(self.plan(data_dir.path())?);
        forget_old_traces(data_dir.path())?;
        let environment = Environment::system();
        let kubeconfig = self.certify(&plan, data_dir.path(), &environment)?;
        log_to(Some(&data_dir.path().join("log/supervisor.log")))?;
        shell::run(self.supervise(plan, data_dir.path(), &kubeconfig, environment, begun))
            .context("no event loop")?
    }

    fn plan(&self, data_dir: &Path) -> anyhow::Result<Plan> {
        Plan::new(
            data_dir,
            self.nodes,
            self.store.clone(),
            self.pod_network_cidr,
            ApiServing {
                address: self.api_address,
                insecure_address: self.insecure_address,
                event_ttl: self.event_ttl,
            },
            (self.trace, self.check.then_some(self.check_metrics)),
        )
    }

    /// Issues every certificate and writes the kubeconfig; tells its path.
    fn certify(
        &self,
        plan: &Plan,
        data_dir: &Path,
        environment: &Environment,
    ) -> anyhow::Result<PathBuf> {
        let pki = Pki::open(data_dir, environment.transport.clone())?;
        for part in &plan.parts {
            if let Some(identity) = part.component.identity()? {
                pki.issue(&part.component.name(), &identity)?;
            }
        }
        pki.issue_api(self.api_address)?;
        write_kubeconfig(data_dir, self.api_address, &pki.issue_admin("admin")?)
    }

    async fn supervise(
        &self,
        plan: Rc<Plan>,
        data_dir: &Path,
        kubeconfig: &Path,
        environment: Environment,
        begun: Instant,
    ) -> anyhow::Result<()> {
        // Before anything is begun: a wish to stop that comes early waits.
        let signals = Signals::take()?;
        for kubelet in plan.former_kubelets()? {
            sweep(&kubelet).await?;
        }
        let progress = Progress::begin(plan.parts.len());
        let tracing = self.trace.within(data_dir);
        let (supervisor, notices) = if self.single_process {
            let tasks = Tasks::default();
            supervise(plan.clone(), data_dir, tasks, tracing, environment)?
        } else {
            let processes = Processes::new(data_dir, self.api_address)?;
            supervise(plan.clone(), data_dir, processes, tracing, environment)?
        };
        tokio::task::spawn_local(signals.pass_on(supervisor.clone()));
        let mut telling = Telling {
            progress,
            kubeconfig,
            begun,
            unwell: BTreeSet::new(),
        };
        let failure = telling.until_ended(notices, &supervisor).await?;
        telling.progress.end();
        let mut swept = Ok(());
        for part in &telling.unwell {
            if let Some(Component::Kubelet(kubelet)) = plan.component(part) {
                swept = swept.and(sweep(kubelet).await);
            }
        }
        match failure {
            Some((part, reason)) => bail!(
                "{part}: {reason} (its log is {}/log/{part}.log)",
                data_dir.display()
            ),
            None => swept,
        }
    }
}

/// Every Ctrl-C and SIGTERM is a wish to stop, and so is a terminal that is closed.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn take() -> anyhow::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn pass_on(mut self, supervisor: Handle<Supervisor>) {
        for told in ["stopping; once more to hurry", "hurrying"] {
            tokio::select! {
                biased;
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = self.hangup.recv() => {}
            }
            say(told);
            if supervisor.send(Input::Stop).await.is_err() {
                return;
            }
        }
    }
}

/// What the user has been told.
struct Telling<'a> {
    progress: Progress,
    kubeconfig: &'a Path,
    begun: Instant,
    /// Components whose last process did not end by itself.
    unwell: BTreeSet<String>,
}

impl Telling<'_> {
    /// Passes on what happens until nothing runs any more; the component that made it so and its reason.
    async fn until_ended(
        &mut self,
        mut notices: UnboundedReceiver<Notice>,
        supervisor: &Handle<Supervisor>,
    ) -> anyhow::Result<Option<(String, String)>> {
        loop {
            let notice = tokio::select! {
                biased;
                notice = notices.recv() => notice.context("the supervisor has stopped without a word")?,
                stopped = supervisor.stopped() => bail!("the supervisor: {}", stopped.0),
            };
            match notice {
                Notice::PartReady(part) => self.progress.part_ready(&part, self.begun.elapsed()),
                Notice::PartEnded { part, well: true } => drop(self.unwell.remove(&part)),
                Notice::PartEnded { part, well: false } => drop(self.unwell.insert(part)),
                Notice::AllReady => {
                    self.progress.end();
                    self.welcome();
                }
                Notice::Died {
                    part,
                    reason,
                    restart_in_ms,
                } => {
                    let line = format!(
                        "{part} died ({reason}); it is started again in {restart_in_ms} ms"
                    );
                    self.progress.line(&line);
                }
                Notice::Ended(failure) => return Ok(failure),
            }
        }
    }

    fn welcome(&self) {
        let kubeconfig = self.kubeconfig.display();
        let text = format!(
            "ready in {} ms\n\
             kubeconfig: {kubeconfig}\n\
             try:\n  \
             kubectl --kubeconfig {kubeconfig} run hello --image=plimsoll/echo\n  \
             kubectl --kubeconfig {kubeconfig} get pods -o wide\n  \
             kubectl --kubeconfig {kubeconfig} logs hello\n",
            self.begun.elapsed().as_millis()
        );
        // Whoever does not want to read it has closed standard output; the cluster runs all the same.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}

/// The first two bytes of `A.B.0.0/16`.
fn pod_network(text: &str) -> Result<[u8; 2], String> {
    let address = text
        .strip_suffix("/16")
        .and_then(|address| address.parse::<Ipv4Addr>().ok());
    let Some([first, second, 0, 0]) = address.map(|address| address.octets()) else {
        return Err("not a network of the form A.B.0.0/16".to_owned());
    };
    match unusable([first, second]) {
        None => Ok([first, second]),
        Some(why) => Err(format!(
            "pods cannot have these addresses: {why}; 10.244.0.0/16 would do"
        )),
    }
}

/// What else the addresses of a /16 are for, if pods cannot have them (RFC 6890; RFC 5771 for multicast).
fn unusable(network: [u8; 2]) -> Option<&'static str> {
    match network {
        [0, _] => Some("0.0.0.0/8 means this host"),
        [127, _] => Some("127.0.0.0/8 is loopback"),
        [169, 254] => Some("169.254.0.0/16 is link-local"),
        [224..=239, _] => Some("224.0.0.0/4 is multicast"),
        [240..=255, _] => Some("240.0.0.0/4 is reserved"),
        _ => None,
    }
}
