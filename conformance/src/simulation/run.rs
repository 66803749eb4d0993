//! One simulation from its seed to its outcome.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use model::objects::key::GroupResource;
use model::objects::kinds;
use shell::ApiClient;
use store::disk::Disk;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::administrator::Administrator;
use super::cluster::Cluster;
use super::deeds::Deeds;
use super::faults::Faults;
use super::fingerprint::Fingerprint;
use super::following::Following;
use super::history::History;
use super::lease_holder::LeaseHolder;
use super::ledger::Ledger;
use super::mishaps::Mishaps;
use super::part::Part;
use super::report::Outcome;
use super::store_watcher::{self, Told};
use super::verdict::State;
use super::watcher::{self, Seen};
use super::workload::Client;
use crate::timeline::{Timeline, timeline};

/// Clients that act, and the numbers of those that do other things.
const CLIENTS: u8 = 3;
const JUDGE: u8 = 101;
const WATCHERS: u8 = 111;
const ADMINISTRATOR: u8 = 121;
const LEASE_HOLDER: u8 = 131;
const STORE_WATCHER: u8 = 132;
/// How long a cluster may take from the last fault until it is as it should be: the longest waits of its parts are
/// five minutes (an unschedulable pod, an expectation, a crash loop).
const QUIET_MAX: Duration = Duration::from_secs(15 * 60);
/// How long it has to stay so.
const STAYS: Duration = Duration::from_secs(20);

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// How long the simulation on this thread has lasted, in its own time: for log lines.
pub fn elapsed() -> Option<Duration> {
    BEGAN.get().map(|began| began.elapsed())
}

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where every choice comes from.
    pub seed: u64,
    /// How many nodes the cluster has, at least one.
    pub nodes: u8,
    /// How long clients act and faults happen, in the simulation's own time.
    pub acting: Duration,
    /// What may happen.
    pub faults: Faults,
}

/// Simulates. Files (traces, what kubelets write) go below `directory`, which must be empty or absent, and stay.
///
/// # Errors
/// If the simulation cannot be made: a directory, a certificate, a runtime. What does not hold in it is no error: it is
/// in the outcome.
pub fn run(options: &Options, directory: &Path) -> anyhow::Result<Outcome> {
    let real = std::time::Instant::now();
    let panics = super::panics::noted();
    let simulated = shell::simulate(simulated(options.clone(), directory.to_owned()));
    BEGAN.set(None);
    let mut outcome = simulated??;
    outcome.failures.extend(panics.take());
    outcome.real_time = real.elapsed();
    Ok(outcome)
}

async fn simulated(options: Options, directory: std::path::PathBuf) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    BEGAN.set(Some(began));
    let cluster = Cluster::new(options.seed, options.nodes, directory)?;
    let following = Following::begin(&cluster.traces());
    let parts: Vec<Part> = Part::all(options.nodes).collect();
    for part in &parts {
        cluster.start(*part);
    }
    for node in &cluster.nodes {
        tokio::task::spawn_local(node.clone().live());
    }
    cluster.all_ready().await;
    tracing::info!("every part serves");
    let ledger = Ledger::default();
    let watchers = watchers(&cluster, &ledger)?;
    let told = Told::default();
    let store = cluster.store_client(STORE_WATCHER)?;
    tokio::task::spawn_local(store_watcher::follow(store, told.clone()));
    let administrator = Administrator::new(&cluster, ADMINISTRATOR, ledger.clone())?;
    let clients = (1..=CLIENTS).chain((WATCHERS..).take(watchers.len()));
    let hosts = parts.iter().copied().chain(clients.map(Part::Client));
    let seen = watchers.iter().map(|(.., seen)| seen.clone());
    let mishaps = Mishaps::new(
        cluster.clone(),
        administrator,
        parts.clone(),
        hosts.collect(),
        seen.collect(),
        options.seed,
    );
    let stage = Stage {
        ledger,
        deeds: Deeds::default(),
        watchers,
        told,
        judge: cluster.client(JUDGE)?,
        mishaps,
        cluster,
    };
    let until = Instant::now() + options.acting;
    let holder = stage.act(&options, until).await?;
    let calm = Instant::now();
    let mut failures = stage.settle().await;
    match holder.left().await {
        Some(locks) => {
            let left = locks
                .iter()
                .map(|lock| format!("{lock} outlived its lease"));
            failures.extend(left);
        }
        None => failures.push("the store does not tell what is locked".to_owned()),
    }
    let quiet_after = calm.elapsed();
    failures.extend(stage.cluster.witness.faults());
    failures.extend(stage.deeds.faults());
    stage.cluster.kill(Part::Store, false);
    let traces = stage.cluster.traces();
    let timeline = timeline(std::slice::from_ref(&traces))?;
    // At once: what is awaited lets the other parts go on, and write.
    failures.extend(following.end(&timeline)?);
    failures.extend(stage.history(&timeline).await);
    let (rejected, actions) = super::traces::judged(&traces, &timeline)?;
    failures.extend(rejected);
    let mut fingerprint = Fingerprint::default();
    fingerprint.add_directory(&traces)?;
    fingerprint.add(&stage.cluster.network.fingerprint().to_le_bytes());
    Ok(Outcome {
        seed: options.seed,
        failures,
        fingerprint: fingerprint.number(),
        virtual_time: began.elapsed(),
        real_time: Duration::ZERO,
        faults: stage.mishaps.counts(),
        acts: stage.deeds.ends(),
        actions,
        datagrams: stage.cluster.network.tally(),
        sent: stage.cluster.network.datagrams(),
        losses: stage.cluster.drive.losses(),
        containers: stage.cluster.witness.starts(),
        processes: stage.cluster.incarnations().values().sum(),
        events: stage.watchers.iter().map(|(.., seen)| seen.events()).sum(),
        quiet_after,
    })
}

type Watchers = Vec<(String, GroupResource, Seen)>;

fn watchers(cluster: &Cluster, ledger: &Ledger) -> anyhow::Result<Watchers> {
    let mut watchers = Vec::new();
    let resources = [kinds::pods(), kinds::replicasets(), kinds::pods()];
    for (number, resource) in (WATCHERS..).zip(resources) {
        let (name, seen) = (
            format!("watcher {number} of {resource}"),
            Seen::new(ledger.clone()),
        );
        let api = cluster.client(number)?;
        tokio::task::spawn_local(watcher::follow(
            api,
            name.clone(),
            resource.clone(),
            seen.clone(),
        ));
        watchers.push((name, resource, seen));
    }
    Ok(watchers)
}

/// Everyone who is there.
struct Stage {
    cluster: Rc<Cluster>,
    ledger: Ledger,
    deeds: Deeds,
    watchers: Watchers,
    /// What the watch of the store was told.
    told: Told,
    judge: ApiClient,
    mishaps: Rc<Mishaps>,
}

impl Stage {
    /// Clients act and faults happen until then, and until every client has its last answer. Gives back the one that held
    /// locks.
    async fn act(&self, options: &Options, until: Instant) -> anyhow::Result<LeaseHolder> {
        let mut clients = JoinSet::new();
        for number in 1..=CLIENTS {
            let api = self.cluster.client(number)?;
            let (ledger, deeds) = (self.ledger.clone(), self.deeds.clone());
            let client = Client::new(api, options.seed, (number, options.nodes), ledger, deeds);
            clients.spawn_local(client.act(until));
        }
        let store = self.cluster.store_client(LEASE_HOLDER)?;
        let holder = LeaseHolder::new(store, options.seed, self.deeds.clone());
        let holding = tokio::task::spawn_local(holder.hold(until));
        self.mishaps.happen(&options.faults, until).await;
        while let Some(client) = clients.join_next().await {
            client?;
        }
        Ok(holding.await?)
    }

    /// Waits until the cluster is as it should be and stays so. What is missing if it never is.
    async fn settle(&self) -> Vec<String> {
        let deadline = Instant::now() + QUIET_MAX;
        let mut since = None;
        loop {
            sleep(Duration::from_secs(1)).await;
            let open = match State::read(&self.judge).await {
                Ok(state) => {
                    let lost = state.lost(&self.ledger);
                    if !lost.is_empty() {
                        return lost;
                    }
                    state.unfinished(&self.cluster, &self.ledger, &self.watchers)
                }
                Err(error) => vec![format!("the API server does not answer: {error}")],
            };
            let now = Instant::now();
            if open.is_empty() {
                if now >= *since.get_or_insert(now) + STAYS {
                    return Vec::new();
                }
            } else {
                since = None;
                tracing::debug!(?open, "not yet quiet");
            }
            if now > deadline {
                return match open.is_empty() {
                    true => vec!["the cluster does not stay as it should be".to_owned()],
                    false => open,
                };
            }
        }
    }

    /// What watchers saw against the rules or against what the store wrote.
    async fn history(&self, timeline: &Timeline) -> Vec<String> {
        let history = History::told(timeline);
        let mut faults = self.told.faults(&history);
        for (name, resource, seen) in &self.watchers {
            faults.extend(seen.faults());
            faults.extend(seen.compare(name, resource, &history));
        }
        match self.cluster.drive.disk().load().await {
            Ok(disk) => faults.extend(history.contradictions(&disk)),
            Err(error) => faults.push(format!("the store's disk cannot be read: {error}")),
        }
        faults
    }
}
