//! Lets faults happen, by chance and each for a while.

mod collection;
mod partition;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use shell::Why;
use store::disk::Speed;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use transport::sim::{Conditions, SeededRandom};

use super::administrator::Administrator;
use super::cluster::Cluster;
use super::faults::{Fault, Faults};
use super::hardware::Shortage;
use super::part::{Part, node_name};
use super::watcher::Seen;

/// How long there is between two faults, in milliseconds.
const BETWEEN_MS: (u64, u64) = (200, 4_000);
/// How wrong a clock may be, in milliseconds.
const SKEW_MS: u64 = 60_000;
/// How long a kill waits for a write to be under way.
const AMBUSH_MS: u64 = 2_000;
/// The longest that a node's host has no power, in milliseconds: longer than the quarantine of its pods, if its Node was
/// removed.
const OUTAGE_MS: u64 = 75_000;
/// The longest that something runs short on a node, in milliseconds: it is measured every ten seconds.
const SHORTAGE_MS: u64 = 30_000;
/// The way of a datagram when nothing is wrong.
const WAY: Duration = Duration::from_millis(1);

/// How often a fault happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// In all.
    pub times: u64,
    /// While a pod was on its way from its creation to its first start, or to its end.
    pub in_transition: u64,
}

/// Lets faults happen to a cluster.
pub struct Mishaps {
    cluster: Rc<Cluster>,
    administrator: Administrator,
    parts: Vec<Part>,
    /// Hosts that a way can lead to or from.
    hosts: Vec<Part>,
    /// What watchers see of pods, among others.
    watchers: Vec<Seen>,
    random: SeededRandom,
    conditions: Cell<Conditions>,
    counts: RefCell<BTreeMap<Fault, Count>>,
    /// Once it is set, nothing happens any more.
    over: watch::Sender<bool>,
    /// Nodes' hosts that have no power.
    outages: RefCell<JoinSet<()>>,
    /// Whether one of them is without power until its pods are collected.
    collecting: Cell<bool>,
}

impl Mishaps {
    /// For a cluster of these parts with this administrator and these watchers; a way can lead to or from each of `hosts`.
    pub fn new(
        cluster: Rc<Cluster>,
        administrator: Administrator,
        parts: Vec<Part>,
        hosts: Vec<Part>,
        watchers: Vec<Seen>,
        seed: u64,
    ) -> Rc<Self> {
        let conditions = Conditions {
            delay_min: WAY,
            delay_max: WAY,
            ..Conditions::default()
        };
        Rc::new(Mishaps {
            cluster,
            administrator,
            hosts,
            parts,
            watchers,
            random: SeededRandom::stream(seed, "mishaps"),
            conditions: Cell::new(conditions),
            counts: RefCell::default(),
            over: watch::Sender::new(false),
            outages: RefCell::default(),
            collecting: Cell::new(false),
        })
    }

    /// Lets these faults happen until then. When it returns, everything is in order again.
    pub async fn happen(self: &Rc<Self>, faults: &Faults, until: Instant) {
        let kinds = faults.kinds();
        loop {
            let pause = Duration::from_millis(self.random.between(BETWEEN_MS.0, BETWEEN_MS.1));
            if Instant::now() + pause >= until {
                tokio::time::sleep_until(until).await;
                break;
            }
            sleep(pause).await;
            let Some(fault) = self.random.pick(&kinds).copied() else {
                continue;
            };
            if self.happens(fault).await {
                self.note(fault);
            }
        }
        self.end();
        let mut outages = self.outages.take();
        while outages.join_next().await.is_some() {}
    }

    /// A fault has happened.
    fn note(&self, fault: Fault) {
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry(fault).or_default();
        count.times += 1;
        count.in_transition += u64::from(self.watchers.iter().any(Seen::in_transition));
    }

    /// How often each fault happened.
    pub fn counts(&self) -> BTreeMap<Fault, Count> {
        self.counts.borrow().clone()
    }

    fn end(&self) {
        self.over.send_replace(true);
        self.weather(|conditions| {
            *conditions = Conditions {
                delay_min: WAY,
                delay_max: WAY,
                ..Conditions::default()
            }
        });
        for from in &self.hosts {
            for to in &self.hosts {
                self.cluster.network.sever(from.host(), to.host(), false);
            }
        }
        for part in &self.parts {
            self.cluster.skew(*part, 0);
        }
        for node in &self.cluster.nodes {
            node.fail(0);
        }
        for machine in &self.cluster.machines {
            machine.lacks(None);
        }
        self.cluster.drive.set_speed(Speed::default());
        self.cluster.drive.mend();
        tracing::info!("no more faults from here on");
    }

    /// False if there was nothing that it could have happened to, or if it happens later and is noted then.
    async fn happens(self: &Rc<Self>, fault: Fault) -> bool {
        let random = &self.random;
        match fault {
            Fault::Loss => {
                let lost = random.between(20, 400) as u16;
                self.weather(|conditions| conditions.lost_per_mille = lost);
                tracing::info!(per_mille = lost, "fault: datagrams are lost");
                self.later(8_000, |this| {
                    this.weather(|conditions| conditions.lost_per_mille = 0)
                });
            }
            Fault::Duplicate => {
                let doubled = random.between(50, 500) as u16;
                self.weather(|conditions| conditions.doubled_per_mille = doubled);
                tracing::info!(per_mille = doubled, "fault: datagrams are doubled");
                self.later(8_000, |this| {
                    this.weather(|conditions| conditions.doubled_per_mille = 0)
                });
            }
            Fault::Delay => self.slow_ways(random.between(5, 150), 0),
            Fault::Reorder => self.slow_ways(0, random.between(2, 80)),
            Fault::Partition if random.once_in(8) => self.part_from_store().await,
            Fault::Partition => return self.part_ways(true),
            Fault::OneWay => return self.part_ways(false),
            Fault::Crash => {
                let Some(part) = random.pick(&self.parts).copied() else {
                    return false;
                };
                self.ambush(part).await;
                if part == Part::Apiserver && random.once_in(2) {
                    // Its account is about to be created.
                    self.administrator.create_namespace().await;
                    sleep(Duration::from_millis(random.below(8))).await;
                }
                tracing::info!(part = part.name(), "fault: killed");
                self.cluster.kill(part, false);
            }
            Fault::Power => {
                self.ambush(Part::Store).await;
                tracing::info!("fault: the store's host loses power");
                self.cluster.kill(Part::Store, true);
            }
            Fault::Restart => {
                let Some(part) = random.pick(&self.parts).copied() else {
                    return false;
                };
                let why = match part {
                    Part::Kubelet(_) if random.once_in(3) => Why::Stop,
                    _ => Why::Restart,
                };
                tracing::info!(part = part.name(), ?why, "fault: restarted in order");
                self.cluster.restart(part, why);
            }
            Fault::Pause => {
                let Some(part) = random.pick(&self.parts).copied() else {
                    return false;
                };
                let lasting = Duration::from_millis(random.between(50, 8_000));
                tracing::info!(part = part.name(), ?lasting, "fault: paused");
                self.cluster.pause(part, lasting);
            }
            Fault::Disk => {
                let least = Duration::from_millis(random.between(10, 400));
                let most = least * 2;
                tracing::info!(?least, ?most, "fault: the disk is slow");
                self.cluster.drive.set_speed(Speed { least, most });
                self.later(8_000, |this| this.cluster.drive.set_speed(Speed::default()));
            }
            Fault::Clock => {
                let Some(part) = random.pick(&self.parts).copied() else {
                    return false;
                };
                let by_ms = random.below(2 * SKEW_MS).cast_signed() - SKEW_MS.cast_signed();
                tracing::info!(part = part.name(), by_ms, "fault: the clock is wrong");
                self.cluster.skew(part, by_ms);
            }
            Fault::Runtime => {
                let Some(node) = random.pick(&self.cluster.nodes).cloned() else {
                    return false;
                };
                let per_mille = random.between(50, 500);
                tracing::info!(per_mille, "fault: a node's runtime fails");
                node.fail(per_mille);
                self.later(8_000, move |_| node.fail(0));
            }
            Fault::Container => {
                let sandbox = random.once_in(4);
                let Some(node) = random.pick(&self.cluster.nodes) else {
                    return false;
                };
                let died = match sandbox {
                    true => node.kill_a_sandbox(),
                    false => node.kill_one(),
                };
                if died {
                    tracing::info!(sandbox, "fault: a container or a pod's sandbox died");
                }
                return died;
            }
            Fault::Node => return self.power_fails(),
            Fault::Pressure => {
                let (machines, kinds) = (&self.cluster.machines, Shortage::ALL);
                let (Some(machine), Some(kind)) = (random.pick(machines), random.pick(&kinds))
                else {
                    return false;
                };
                tracing::info!(?kind, "fault: something runs short on a node");
                machine.lacks(Some(*kind));
                let machine = machine.clone();
                self.later(SHORTAGE_MS, move |_| machine.lacks(None));
            }
            Fault::Compaction => return self.administrator.compact().await,
            Fault::DiskFailure => {
                tracing::info!("fault: the store's disk fails");
                self.cluster.drive.fail();
            }
            Fault::Collection => {
                self.collection();
                return false;
            }
        }
        true
    }

    /// The host of a node loses power for a while. It has it again only once its Node is removed, if somebody is about
    /// to remove that: whoever removes a Node vouches that its machine is off.
    fn power_fails(self: &Rc<Self>) -> bool {
        let random = &self.random;
        let number = random.between(1, self.cluster.nodes.len() as u64) as u8;
        let (removed, lasting) = (random.once_in(2), random.between(500, OUTAGE_MS));
        if !self.cluster.power_off(number) {
            return false;
        }
        tracing::info!(number, lasting, removed, "fault: a node's host loses power");
        let (this, mut over) = (self.clone(), self.over.subscribe());
        self.outages.borrow_mut().spawn_local(async move {
            let until = Instant::now() + Duration::from_millis(lasting);
            if removed {
                this.administrator.remove_node(&node_name(number)).await;
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => {}
                _ = over.wait_for(|over| *over) => {}
            }
            tracing::info!(number, "a node's host has power again");
            this.cluster.power_on(number);
        });
        true
    }

    /// Waits until a write is under way, and a little longer, so that a kill hits between two steps of it.
    async fn ambush(&self, part: Part) {
        if matches!(part, Part::Store | Part::Apiserver) {
            for _ in 0..AMBUSH_MS {
                if self.cluster.drive.is_busy() {
                    break;
                }
                sleep(Duration::from_millis(1)).await;
            }
            sleep(Duration::from_millis(self.random.below(5))).await;
        }
    }

    fn weather(&self, change: impl FnOnce(&mut Conditions)) {
        let mut conditions = self.conditions.get();
        change(&mut conditions);
        self.conditions.set(conditions);
        self.cluster.network.set_conditions(conditions);
    }

    fn slow_ways(self: &Rc<Self>, least_ms: u64, spread_ms: u64) {
        tracing::info!(least_ms, spread_ms, "fault: datagrams take longer");
        self.weather(|conditions| {
            conditions.delay_min = WAY + Duration::from_millis(least_ms);
            conditions.delay_max = conditions.delay_min + Duration::from_millis(spread_ms);
        });
        self.later(8_000, |this| {
            this.weather(|conditions| {
                conditions.delay_min = WAY;
                conditions.delay_max = WAY;
            })
        });
    }

    /// Does something after a while of at most so long, unless all faults are over by then.
    fn later(self: &Rc<Self>, most_ms: u64, undo: impl FnOnce(&Rc<Self>) + 'static) {
        self.after(self.random.between(200, most_ms), undo);
    }

    /// Does something so much later, unless all faults are over by then.
    fn after(self: &Rc<Self>, after_ms: u64, undo: impl FnOnce(&Rc<Self>) + 'static) {
        let this = self.clone();
        tokio::task::spawn_local(async move {
            sleep(Duration::from_millis(after_ms)).await;
            if !*this.over.borrow() {
                undo(&this);
            }
        });
    }
}
