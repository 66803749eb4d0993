//! A simulated UDP network for the real QUIC: seeded, in memory, on tokio's clock.
//!
//! In one current-thread runtime with a paused clock, the same seed gives the same datagrams in the
//! same order at the same times. What differs between two runs is the content: ring draws the ephemeral
//! keys of TLS itself. [`Network::fingerprint`] therefore covers time, addresses and lengths.

mod random;
mod socket;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::{AsyncUdpSocket, Runtime, TokioRuntime};
use tokio::time::Instant;

use crate::environment::{Environment, Sockets, WallClock};
pub use random::SeededRandom;
use socket::{Datagram, Inbox, SimulatedSocket};

/// The first port that [`Network`] gives to those who ask for any.
const FIRST_FREE_PORT: u16 = 49_152;

/// A time of day that runs with tokio's clock.
#[derive(Debug)]
pub struct SimulatedClock {
    start: Instant,
    unix_seconds: u64,
}

impl WallClock for SimulatedClock {
    fn unix_seconds(&self) -> u64 {
        self.unix_seconds + self.start.elapsed().as_secs()
    }
}

/// What the network does to datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Datagrams of 1,000 that are lost.
    pub lost_per_mille: u16,
    /// Datagrams of 1,000 that arrive twice.
    pub doubled_per_mille: u16,
    /// The shortest way.
    pub delay_min: Duration,
    /// The longest way. Each datagram takes a time of its own in between, so they overtake each other.
    pub delay_max: Duration,
}

impl Default for Conditions {
    /// One millisecond, nothing lost.
    fn default() -> Self {
        let delay = Duration::from_millis(1);
        Self {
            lost_per_mille: 0,
            doubled_per_mille: 0,
            delay_min: delay,
            delay_max: delay,
        }
    }
}

/// A simulated network with its sockets. Clones are the same network.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    random: SeededRandom,
    start: Instant,
    state: Mutex<State>,
}

struct State {
    conditions: Conditions,
    /// Addresses that reach nobody and are reached by nobody.
    cut_off: BTreeSet<SocketAddr>,
    /// Ways from one host to another on which everything is lost.
    severed: BTreeSet<(IpAddr, IpAddr)>,
    /// Hosts that neither take nor send anything until then.
    frozen: BTreeMap<IpAddr, Instant>,
    tally: Tally,
    sockets: BTreeMap<SocketAddr, Arc<Inbox>>,
    next_port: u16,
    fingerprint: u64,
    datagrams: u64,
}

/// What became of the datagrams that were sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lost by chance.
    pub lost: u64,
    /// Arrived twice.
    pub doubled: u64,
    /// Arrive before one that was sent to the same socket earlier.
    pub overtaking: u64,
    /// Lost on a way that was severed or to or from a host that was cut off or frozen.
    pub severed: u64,
}

impl Network {
    /// A network whose every choice follows from `seed`. Within tokio, whose clock should be paused.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        let state = State {
            conditions,
            cut_off: BTreeSet::new(),
            severed: BTreeSet::new(),
            frozen: BTreeMap::new(),
            tally: Tally::default(),
            sockets: BTreeMap::new(),
            next_port: FIRST_FREE_PORT,
            fingerprint: FNV_OFFSET,
            datagrams: 0,
        };
        let shared = Shared {
            random: SeededRandom::new(seed),
            start: Instant::now(),
            state: Mutex::new(state),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The environment of one process on this network, with a seed of its own. `unix_seconds` is the
    /// time of day at the start.
    pub fn environment(&self, seed: u64, unix_seconds: u64) -> Environment {
        let clock = SimulatedClock {
            start: self.shared.start,
            unix_seconds,
        };
        self.environment_at(seed, Arc::new(clock))
    }

    /// The same with a time of day of its own, such as that of a host whose clock is wrong.
    pub fn environment_at(&self, seed: u64, clock: Arc<dyn WallClock>) -> Environment {
        Environment {
            runtime: Arc::new(TokioRuntime),
            sockets: Arc::new(self.clone()),
            random: Arc::new(SeededRandom::new(seed)),
            clock,
        }
    }

    /// Changes what happens to the datagrams that are sent from here on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.state().conditions = conditions;
    }

    /// Cuts `address` off, or connects it again. What is on its way still arrives.
    pub fn cut_off(&self, address: SocketAddr, cut_off: bool) {
        let mut state = self.state();
        match cut_off {
            true => state.cut_off.insert(address),
            false => state.cut_off.remove(&address),
        };
    }

    /// Severs the way from one host to another, or mends it; the way back is another. What is on its way
    /// still arrives.
    pub fn sever(&self, from: IpAddr, to: IpAddr, severed: bool) {
        let mut state = self.state();
        match severed {
            true => state.severed.insert((from, to)),
            false => state.severed.remove(&(from, to)),
        };
    }

    /// Stops a host as SIGSTOP stops a process: what is sent to it until then arrives afterwards, what its QUIC
    /// stack would send meanwhile is not sent.
    pub fn freeze(&self, host: IpAddr, until: Instant) {
        self.state().frozen.insert(host, until);
    }

    /// What became of the datagrams so far.
    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    /// Takes the socket at `address` away without a word to anybody, as `kill -9` does, so that another
    /// may be bound there. Its owner neither receives nor is heard any more.
    pub fn kill(&self, address: SocketAddr) {
        self.state().sockets.remove(&address);
    }

    /// A hash over time, addresses and length of every datagram sent so far, lost ones too.
    pub fn fingerprint(&self) -> u64 {
        self.state().fingerprint
    }

    /// How many datagrams have been sent so far, lost ones too.
    pub fn datagrams(&self) -> u64 {
        self.state().datagrams
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, from: SocketAddr, inbox: &Arc<Inbox>, to: SocketAddr, content: &[u8]) {
        let random = &self.shared.random;
        let mut state = self.state();
        // Only the socket bound there now is heard, not one that was killed.
        if !state
            .sockets
            .get(&from)
            .is_some_and(|bound| Arc::ptr_eq(bound, inbox))
        {
            return;
        }
        state.datagrams += 1;
        state.fingerprint = self.hashed(state.fingerprint, from, to, content.len());
        let Conditions {
            lost_per_mille,
            doubled_per_mille,
            delay_min,
            delay_max,
        } = state.conditions;
        // Every datagram draws the same numbers, so that conditions do not shift those of later ones.
        let lost = random.below(1000) < u64::from(lost_per_mille);
        let doubled = random.below(1000) < u64::from(doubled_per_mille);
        let spread =
            u64::try_from(delay_max.saturating_sub(delay_min).as_micros()).unwrap_or(u64::MAX);
        let delays = [
            random.below(spread.saturating_add(1)),
            random.below(spread.saturating_add(1)),
        ];
        let now = Instant::now();
        let frozen = |host: IpAddr, state: &State| {
            let until = state.frozen.get(&host).copied();
            until.filter(|until| *until > now)
        };
        if state.cut_off.contains(&from)
            || state.cut_off.contains(&to)
            || state.severed.contains(&(from.ip(), to.ip()))
            || frozen(from.ip(), &state).is_some()
        {
            state.tally.severed += 1;
            return;
        }
        if lost {
            state.tally.lost += 1;
            return;
        }
        let earliest = frozen(to.ip(), &state).unwrap_or(now);
        let Some(receiver) = state.sockets.get(&to).cloned() else {
            return;
        };
        let number = state.datagrams * 2;
        let copies = if doubled { 2 } else { 1 };
        state.tally.doubled += u64::from(doubled);
        let mut overtaking = 0;
        for (copy, delay) in delays.into_iter().take(copies).enumerate() {
            let overtakes = receiver.put(Datagram {
                arrives: earliest.max(now + delay_min + Duration::from_micros(delay)),
                number: number + copy as u64,
                from,
                to_ip: to.ip(),
                content: content.to_vec(),
            });
            overtaking += u64::from(overtakes);
        }
        state.tally.overtaking += overtaking;
    }

    fn hashed(&self, hash: u64, from: SocketAddr, to: SocketAddr, length: usize) -> u64 {
        let time = self.shared.start.elapsed().as_nanos();
        format!("{time} {from} {to} {length};")
            .bytes()
            .fold(hash, fnv)
    }
}

/// FNV-1a, 64 bits.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("datagrams", &self.datagrams())
            .finish_non_exhaustive()
    }
}

impl Sockets for Network {
    fn bind(&self, address: SocketAddr, _: &dyn Runtime) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let mut state = self.state();
        let mut address = address;
        while address.port() == 0 {
            let candidate = SocketAddr::new(address.ip(), state.next_port);
            state.next_port = state.next_port.checked_add(1).unwrap_or(FIRST_FREE_PORT);
            if !state.sockets.contains_key(&candidate) {
                address = candidate;
            }
        }
        if state.sockets.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let inbox = Arc::new(Inbox::default());
        state.sockets.insert(address, inbox.clone());
        Ok(Arc::new(SimulatedSocket {
            network: self.clone(),
            address,
            inbox,
        }))
    }
}
