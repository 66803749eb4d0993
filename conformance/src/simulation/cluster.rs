//! A cluster of simulated hosts: the real components, started, killed and started again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use shell::{ApiClient, Environment, Shutdown, Tracing, Trigger, Why};
use store::disk::Drive;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use transport::pki::{Authority, Credentials, Validity};
use transport::sim::{Conditions, Network, SeededRandom};
use transport::{Backoff, Endpoint, Identity, Limits, Link};

use super::clock::HostClock;
use super::containers::{Containers, Witness};
use super::hardware::SimulatedMachine;
use super::part::{Part, node_name};
use super::process::{Ending, Process};

/// How long the certificates last: longer than any simulation with any skew.
const LIFETIME: Duration = Duration::from_secs(10 * 24 * 3600);

/// Pods that a node takes.
const PODS: u32 = 20;

/// A cluster. It lives as long as the simulation.
pub struct Cluster {
    seed: u64,
    /// The network between the hosts.
    pub network: Network,
    /// What is under the store.
    pub drive: Drive,
    /// The containers of each node, the first node's first.
    pub nodes: Vec<Containers>,
    /// Who sees every container start and end.
    pub witness: Witness,
    clocks: BTreeMap<Part, HostClock>,
    authority: Authority,
    /// Traces, and the nodes' directories.
    directory: PathBuf,
    running: RefCell<BTreeMap<Part, Running>>,
    restarts: SeededRandom,
    /// How many parts were started.
    parts: Cell<usize>,
    ready: watch::Sender<u64>,
}

struct Running {
    process: Process,
    incarnation: u64,
    serves: bool,
    trigger: Trigger,
}

impl Cluster {
    /// A cluster of so many nodes of which nothing runs yet; files go below `directory`, which is empty.
    ///
    /// # Errors
    /// If no certificates can be made.
    pub fn new(seed: u64, nodes: u8, directory: PathBuf) -> anyhow::Result<Rc<Self>> {
        let start = Instant::now();
        let network = Network::new(draw(seed, "network"), Conditions::default());
        let clocks: BTreeMap<Part, HostClock> = Part::all(nodes)
            .map(|part| (part, HostClock::new(start)))
            .collect();
        let right = HostClock::new(start);
        let environment = network.environment_at(draw(seed, "authority"), Arc::new(right));
        let validity = Validity::lasting(&environment, LIFETIME);
        let authority = Authority::create(&*environment.random, validity)?;
        let witness = Witness::default();
        let containers = (1..=nodes).map(|number| {
            let name = node_name(number);
            let random = SeededRandom::stream(seed, &name);
            let clock = clocks.get(&Part::Kubelet(number)).cloned();
            let clock = clock.unwrap_or_else(|| HostClock::new(start));
            Containers::new(&name, number, clock, random, witness.clone())
        });
        let cluster = Cluster {
            seed,
            drive: Drive::new(draw(seed, "drive")),
            nodes: containers.collect(),
            witness,
            clocks,
            authority,
            directory,
            running: RefCell::default(),
            restarts: SeededRandom::stream(seed, "restarts"),
            parts: Cell::new(0),
            ready: watch::channel(0).0,
            network,
        };
        Ok(Rc::new(cluster))
    }

    /// Starts a part and keeps it running: whenever it ends, it is started again a little later.
    pub fn start(self: &Rc<Self>, part: Part) {
        self.parts.set(self.parts.get() + 1);
        tokio::task::spawn_local(self.clone().keep(part));
    }

    /// Waits until every part that was started serves.
    pub async fn all_ready(&self) {
        let mut ready = self.ready.subscribe();
        let all_serve = || {
            let running = self.running.borrow();
            running.len() == self.parts.get() && running.values().all(|part| part.serves)
        };
        while !all_serve() {
            // The sender lives as long as the cluster.
            let _ = ready.changed().await;
        }
    }

    /// The parts that run, with the number of their start.
    pub fn incarnations(&self) -> BTreeMap<Part, u64> {
        let running = self.running.borrow();
        let parts = running.iter();
        parts
            .map(|(part, running)| (*part, running.incarnation))
            .collect()
    }

    /// Kills a part at once. With `power`, its host loses power too: what its disk had not synced is in danger.
    pub fn kill(&self, part: Part, power: bool) {
        if let Some(running) = self.running.borrow_mut().get_mut(&part) {
            self.network.kill(part.address());
            if part == Part::Store {
                match power {
                    true => self.drive.lose_power(),
                    false => self.drive.lose_process(),
                }
            }
            running.serves = false;
            running.process.kill();
        }
    }

    /// Asks a part to end in order; another takes over.
    pub fn restart(&self, part: Part) {
        if let Some(running) = self.running.borrow().get(&part) {
            running.trigger.ask(Why::Restart);
        }
    }

    /// Stops a part for so long, as SIGSTOP and SIGCONT do.
    pub fn pause(&self, part: Part, lasting: Duration) {
        let until = Instant::now() + lasting;
        if let Some(running) = self.running.borrow().get(&part) {
            self.network.freeze(part.host(), until);
            running.process.pause(until);
        }
    }

    /// Makes the clock of a part's host wrong by so much.
    pub fn skew(&self, part: Part, by_ms: i64) {
        if let Some(clock) = self.clocks.get(&part) {
            clock.skew(by_ms);
        }
    }

    /// A client of the API server with all rights, on a host of its own.
    ///
    /// # Errors
    /// If it has no certificate or no socket.
    pub fn client(&self, number: u8) -> anyhow::Result<ApiClient> {
        let part = Part::Client(number);
        let environment = self.environment(part, 1);
        let endpoint = Endpoint::bind(transport::Config {
            address: part.address(),
            credentials: self.credentials(part)?,
            limits: Limits::default(),
            environment: environment.transport.clone(),
            origin: None,
        })?;
        let link = Link::new(
            endpoint,
            Part::Apiserver.address(),
            Identity::apiserver(),
            Backoff::default(),
        );
        Ok(ApiClient::new(link, &environment))
    }

    fn tracing(&self) -> Tracing {
        Tracing {
            directory: self.traces(),
            inputs: true,
        }
    }

    /// Where the traces are.
    pub fn traces(&self) -> PathBuf {
        self.directory.join("trace")
    }

    fn environment(&self, part: Part, incarnation: u64) -> Environment {
        let seed = draw(self.seed, &format!("{}.{incarnation}", part.name()));
        let clock = Arc::new(match self.clocks.get(&part) {
            Some(clock) => clock.clone(),
            None => HostClock::new(Instant::now()),
        });
        Environment {
            clock: clock.clone(),
            transport: self.network.environment_at(seed, clock),
            revisions: shell::Revisions::default(),
        }
    }

    /// The certificate of a part, the same at every start.
    fn credentials(&self, part: Part) -> anyhow::Result<Credentials> {
        let seed = draw(self.seed, &format!("{} certificate", part.name()));
        let environment = self
            .network
            .environment_at(seed, Arc::new(HostClock::new(Instant::now())));
        let validity = Validity::lasting(&environment, LIFETIME);
        let identity = part.identity()?;
        let credentials =
            self.authority
                .issue_identity(&*environment.random, &identity, validity)?;
        Ok(credentials)
    }

    async fn keep(self: Rc<Self>, part: Part) {
        for incarnation in 1.. {
            let process = Process::default();
            let (trigger, shutdown) = Shutdown::new();
            let running = Running {
                process: process.clone(),
                incarnation,
                serves: false,
                trigger,
            };
            self.running.borrow_mut().insert(part, running);
            let name = format!("{}.{incarnation}", part.name());
            let ending = match self.component(part, incarnation, shutdown) {
                Ok(component) => process.run(name.into(), component).await,
                Err(error) => Ending::Left(Err(error)),
            };
            tracing::info!("{} {incarnation} {ending}", part.name());
            self.clean_up(part, &ending);
            if let Some(running) = self.running.borrow_mut().get_mut(&part) {
                running.serves = false;
            }
            sleep(Duration::from_millis(self.restarts.between(20, 2_000))).await;
        }
    }

    /// What the operating system does after the end of a process.
    fn clean_up(&self, part: Part, ending: &Ending) {
        self.network.kill(part.address());
        if part == Part::Store && !matches!(ending, Ending::Killed) {
            self.drive.lose_process();
        }
    }

    fn serves(&self, part: Part) {
        if let Some(running) = self.running.borrow_mut().get_mut(&part) {
            running.serves = true;
        }
        self.ready.send_modify(|count| *count += 1);
    }
}

/// A seed of its own for a purpose.
fn draw(seed: u64, purpose: &str) -> u64 {
    SeededRandom::stream(seed, purpose).number()
}

type Component = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

impl Cluster {
    fn component(
        self: &Rc<Self>,
        part: Part,
        incarnation: u64,
        shutdown: Shutdown,
    ) -> anyhow::Result<Component> {
        let environment = self.environment(part, incarnation);
        let (address, apiserver) = (part.address(), Part::Apiserver.address());
        let credentials = self.credentials(part)?;
        let trace = Some(self.tracing());
        let ready = {
            let cluster = self.clone();
            move || cluster.serves(part)
        };
        Ok(match part {
            Part::Store => {
                let config = store::Config {
                    address,
                    credentials,
                    engine: Default::default(),
                    directory: self.directory.join("store"),
                    limits: Default::default(),
                    trace,
                    incarnation,
                };
                let disk = self.drive.disk();
                Box::pin(store::run_on(disk, config, environment, shutdown, ready))
            }
            Part::Apiserver => {
                let config = apiserver::Config {
                    address,
                    store: Part::Store.address(),
                    api_address: address,
                    serving: credentials.clone(),
                    credentials,
                    insecure_address: None,
                    limits: Default::default(),
                    trace,
                    incarnation,
                };
                let entrances = Vec::new();
                Box::pin(apiserver::run_on(
                    entrances,
                    config,
                    environment,
                    shutdown,
                    ready,
                ))
            }
            Part::Controllers => {
                let config = controllers::Config {
                    address,
                    apiserver,
                    credentials,
                    trace,
                    incarnation,
                };
                Box::pin(controllers::run(config, environment, shutdown, ready))
            }
            Part::Scheduler => {
                let config = scheduler::Config {
                    address,
                    apiserver,
                    credentials,
                    trace,
                    incarnation,
                };
                Box::pin(scheduler::run(config, environment, shutdown, ready))
            }
            Part::Kubelet(number) => {
                let config = self.kubelet(part, number, credentials, incarnation)?;
                let containers = self.nodes.get(usize::from(number) - 1);
                let runtime = containers.map(Containers::runtime);
                let runtime = Rc::new(runtime.ok_or_else(|| anyhow::anyhow!("no such node"))?);
                let run = kubelet::run_on(
                    runtime,
                    SimulatedMachine,
                    config,
                    environment,
                    shutdown,
                    ready,
                );
                Box::pin(async move { run.await.map(drop) })
            }
            Part::Client(_) => anyhow::bail!("a client is not started by the cluster"),
        })
    }

    fn kubelet(
        &self,
        part: Part,
        number: u8,
        credentials: Credentials,
        incarnation: u64,
    ) -> anyhow::Result<kubelet::Config> {
        let node_name = node_name(number);
        let directory = self.directory.join(&node_name);
        std::fs::create_dir_all(&directory)?;
        let pod_cidr = format!("10.{}.0.0/16", 128 + u16::from(number));
        Ok(kubelet::Config {
            address: part.address(),
            apiserver: Part::Apiserver.address(),
            credentials,
            node_address: part.host(),
            images: directory.join("images"),
            directory,
            pod_cidr: pod_cidr.parse().map_err(anyhow::Error::msg)?,
            shim: Vec::new(),
            capacity: kubelet::Capacity {
                pods: PODS,
                ..Default::default()
            },
            trace: Some(self.tracing()),
            incarnation,
            node_name,
        })
    }
}
