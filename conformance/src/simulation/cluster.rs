//! A cluster of simulated hosts: the real components, started, killed and started again.

mod components;
mod power;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use shell::{ApiClient, Environment, Shutdown, Tracing, Trigger, Why};
use store::disk::Drive;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use transport::pki::{Authority, Credentials, Validity};
use transport::sim::{Conditions, Network, SeededRandom};
use transport::{Backoff, Endpoint, Identity, Limits, Link};

use super::clock::HostClock;
use super::containers::{Containers, Witness};
use super::hardware::SimulatedMachine;
use super::knobs::Knobs;
use super::part::{Part, node_name};
use super::process::{Ending, Process};
use super::store_client::StoreClient;

/// How long the certificates last: longer than any simulation with any skew.
const LIFETIME: Duration = Duration::from_secs(10 * 24 * 3600);

/// A cluster. It lives as long as the simulation.
pub struct Cluster {
    seed: u64,
    knobs: Knobs,
    /// The network between the hosts.
    pub network: Network,
    /// What is under the store.
    pub drive: Drive,
    /// The containers of each node, the first node's first.
    pub nodes: Vec<Containers>,
    /// The machine of each node, the first node's first.
    pub machines: Vec<SimulatedMachine>,
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
    /// The parts whose hosts have no power.
    off: RefCell<BTreeSet<Part>>,
    /// Wakes those who wait for power.
    powered: Notify,
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
        let knobs = Knobs::draw(seed);
        tracing::info!(?knobs, "the bounds of this run");
        let cluster = Cluster {
            seed,
            knobs,
            drive: Drive::new(draw(seed, "drive")),
            nodes: containers.collect(),
            machines: (0..nodes).map(|_| SimulatedMachine::default()).collect(),
            witness,
            clocks,
            authority,
            directory,
            running: RefCell::default(),
            restarts: SeededRandom::stream(seed, "restarts"),
            parts: Cell::new(0),
            ready: watch::channel(0).0,
            off: RefCell::default(),
            powered: Notify::new(),
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

    /// Asks a part to end in order; another takes over. A kubelet that is asked to [stop](Why::Stop) ends its pods first.
    pub fn restart(&self, part: Part, why: Why) {
        if let Some(running) = self.running.borrow().get(&part) {
            running.trigger.ask(why);
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
        let own = self.credentials(part)?;
        let apiserver = (Part::Apiserver, Identity::apiserver());
        let link = link(part, own, &environment, apiserver)?;
        Ok(ApiClient::new(link, &environment))
    }

    /// A client of the store, on a host of its own and with the API server's rights.
    ///
    /// # Errors
    /// If it has no certificate or no socket.
    pub fn store_client(&self, number: u8) -> anyhow::Result<StoreClient> {
        let part = Part::Client(number);
        let own = self.credentials(Part::Apiserver)?;
        let store = (Part::Store, Identity::store());
        let link = link(part, own, &self.environment(part, 1), store)?;
        Ok(StoreClient::new(link))
    }

    /// What is simulated of the node of that number.
    fn node(&self, number: u8) -> Option<(&Containers, &SimulatedMachine)> {
        let index = usize::from(number).checked_sub(1)?;
        Some((self.nodes.get(index)?, self.machines.get(index)?))
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
            self.has_power(part).await;
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

/// A link from a client's host to a part.
fn link(
    from: Part,
    credentials: Credentials,
    environment: &Environment,
    (to, identity): (Part, Identity),
) -> anyhow::Result<Link> {
    let endpoint = Endpoint::bind(transport::Config {
        address: from.address(),
        credentials,
        limits: Limits::default(),
        environment: environment.transport.clone(),
        origin: None,
    })?;
    Ok(Link::new(
        endpoint,
        to.address(),
        identity,
        Backoff::default(),
    ))
}

/// A seed of its own for a purpose.
fn draw(seed: u64, purpose: &str) -> u64 {
    SeededRandom::stream(seed, purpose).number()
}
