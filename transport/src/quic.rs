//! How QUIC itself is set up. Every random choice of quinn's is drawn from the environment:
//! `rng_seed` alone leaves connection ids, reset keys and token keys to the system.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::HandshakeTokenKey;
use quinn::{
    ConnectionId, ConnectionIdGenerator, EndpointConfig, IdleTimeout, TransportConfig, VarInt,
};
use ring::{hkdf, hmac};

use crate::environment::Random;
use crate::error::Error;
use crate::limits::Limits;
use crate::pki::Credentials;

/// Bytes of one connection that QUIC keeps until the peer has acknowledged them.
const SEND_WINDOW_BYTES: u64 = 2 << 20;
/// Unidirectional streams besides long messages: welcome, requests, answers.
const UNIDIRECTIONAL_STREAMS: u32 = 3;
/// Bytes of a connection id.
const CONNECTION_ID_BYTES: usize = 8;
/// Bytes of the first connection id a client invents for its server (RFC 9000, section 7.2).
const FIRST_CONNECTION_ID_BYTES: usize = 20;
/// The guess before the first measurement: a datagram that a starting peer misses is repeated after
/// three of these.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(25);
/// A restarted process resets all its former connections, so the resets must not wait for each other.
const RESET_INTERVAL_MIN: Duration = Duration::from_millis(1);
/// Received datagrams that are kept, in bytes with quinn's overhead; they only show life, and nobody reads them.
const DATAGRAM_BYTES_MAX: usize = 1024;

pub(crate) fn transport(limits: &Limits) -> Result<TransportConfig, Error> {
    let unidirectional = u64::from(limits.long_messages_max) + u64::from(UNIDIRECTIONAL_STREAMS);
    let streams = unidirectional + u64::from(limits.streams_max);
    let window = u64::from(limits.stream_window_bytes);
    let idle = IdleTimeout::try_from(limits.idle_time_max).map_err(|_| Error::Limits {
        name: "idle_time_max",
        value: limits.idle_time_max.as_secs(),
        reason: "QUIC counts to 2^62 - 1 milliseconds",
    })?;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.streams_max))
        .max_concurrent_uni_streams(varint("long_messages_max", unidirectional)?)
        .stream_receive_window(VarInt::from_u32(limits.stream_window_bytes))
        .receive_window(varint(
            "stream_window_bytes",
            window.saturating_mul(streams),
        )?)
        .send_window(SEND_WINDOW_BYTES)
        .max_idle_timeout(Some(idle))
        .initial_rtt(FIRST_ROUND_TRIP)
        .datagram_receive_buffer_size(Some(DATAGRAM_BYTES_MAX));
    Ok(transport)
}

pub(crate) fn endpoint_config(
    random: &dyn Random,
    credentials: &Credentials,
) -> io::Result<EndpointConfig> {
    let mut seed = [0; 32];
    random.fill(&mut seed)?;
    let ids = Ids::new(random, CONNECTION_ID_BYTES)?;
    // A key that outlives the process: a restarted one then resets what it does not know in a way that
    // its peers believe, and they notice at once instead of after `idle_time_max`.
    let reset_key = hmac::Key::new(hmac::HMAC_SHA256, credentials.key().secret_der());
    let tag = hmac::sign(&reset_key, b"plimsoll stateless reset");
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())));
    config
        .rng_seed(Some(seed))
        .min_reset_interval(RESET_INTERVAL_MIN)
        .cid_generator(move || Box::new(ids.clone()));
    Ok(config)
}

/// The key of address validation tokens, which this protocol does not use but QUIC wants to have.
pub(crate) fn token_key(random: &dyn Random) -> io::Result<Arc<dyn HandshakeTokenKey>> {
    let mut key = [0; 32];
    random.fill(&mut key)?;
    Ok(Arc::new(
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&key),
    ))
}

pub(crate) fn first_connection_ids(
    random: &dyn Random,
) -> io::Result<Arc<dyn Fn() -> ConnectionId + Send + Sync>> {
    let ids = std::sync::Mutex::new(Ids::new(random, FIRST_CONNECTION_ID_BYTES)?);
    Ok(Arc::new(move || {
        ids.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .generate_cid()
    }))
}

/// Connection ids that nobody without the key can guess or tell apart: a keyed hash of a counter.
#[derive(Clone)]
struct Ids {
    key: hmac::Key,
    count: u64,
    length: usize,
}

impl Ids {
    fn new(random: &dyn Random, length: usize) -> io::Result<Self> {
        let mut key = [0; 32];
        random.fill(&mut key)?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            count: 0,
            length,
        })
    }
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        self.count += 1;
        let tag = hmac::sign(&self.key, &self.count.to_be_bytes());
        ConnectionId::new(&tag.as_ref()[..self.length])
    }

    fn cid_len(&self) -> usize {
        self.length
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// A count that QUIC can carry.
fn varint(name: &'static str, value: u64) -> Result<VarInt, Error> {
    VarInt::from_u64(value).map_err(|_| Error::Limits {
        name,
        value,
        reason: "QUIC counts to 2^62 - 1",
    })
}
