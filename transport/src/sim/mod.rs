//! A simulated UDP network for the real QUIC: seeded, in memory, on tokio's clock.
//!
//! In one current-thread runtime with a paused clock, the same seed gives the same datagrams in the
//! same order at the same times. What differs between two runs is the content: ring draws the ephemeral
//! keys of TLS itself. [`Network::fingerprint`] therefore covers time, addresses and lengths.

mod socket;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::{AsyncUdpSocket, Runtime, TokioRuntime};
use tokio::time::Instant;

use crate::environment::{Environment, Random, Sockets, WallClock};
use socket::{Datagram, Inbox, SimulatedSocket};

/// The first port that [`Network`] gives to those who ask for any.
const FIRST_FREE_PORT: u16 = 49_152;
/// A seeded generator: SplitMix64 (Steele, Lea, Flood 2014). For simulations only.
#[derive(Debug)]
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// The generator of that seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0.
    fn below(&self, bound: u64) -> u64 {
        match bound {
            0 => 0,
            bound => self.next() % bound,
        }
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_be_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

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
    sockets: BTreeMap<SocketAddr, Arc<Inbox>>,
    next_port: u16,
    fingerprint: u64,
    datagrams: u64,
}

impl Network {
    /// A network whose every choice follows from `seed`. Within tokio, whose clock should be paused.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        let state = State {
            conditions,
            cut_off: BTreeSet::new(),
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
        Environment {
            runtime: Arc::new(TokioRuntime),
            sockets: Arc::new(self.clone()),
            random: Arc::new(SeededRandom::new(seed)),
            clock: Arc::new(SimulatedClock {
                start: self.shared.start,
                unix_seconds,
            }),
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
        if lost || state.cut_off.contains(&from) || state.cut_off.contains(&to) {
            return;
        }
        let Some(receiver) = state.sockets.get(&to).cloned() else {
            return;
        };
        let number = state.datagrams * 2;
        drop(state);
        let copies = if doubled { 2 } else { 1 };
        for (copy, delay) in delays.into_iter().take(copies).enumerate() {
            receiver.put(Datagram {
                arrives: Instant::now() + delay_min + Duration::from_micros(delay),
                number: number + copy as u64,
                from,
                to_ip: to.ip(),
                content: content.to_vec(),
            });
        }
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
