//! Everything that can grow, and how far.

use std::time::Duration;

/// The bounds of one endpoint and each of its connections.
///
/// Both ends should hold the same values, as the processes of one cluster do: what a peer sends is
/// held against the receiver's own. Each limit has an [`Error`](crate::Error) that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Encoded header of one message, in bytes. Default 2 MiB: a list announces each of its objects there.
    pub header_bytes_max: usize,
    /// Body of one message, in bytes. Default 64 MiB.
    pub body_bytes_max: usize,
    /// Largest header and body together that shares the connection's long-lived streams; longer
    /// messages take a stream of their own, so that they hold up nobody. Default 256 KiB.
    pub inline_bytes_max: usize,
    /// Asks of one side without an answer yet. Default 1,024.
    pub asks_in_flight_max: usize,
    /// Bytes queued for one connection's long-lived streams in one direction, each message counted
    /// with its frame. Default 1 MiB.
    pub queued_bytes_max: usize,
    /// Bytes of arrived asks and tells that nobody has taken with
    /// [`Connection::next`](crate::Connection::next); the peer is not read beyond. Default 1 MiB.
    pub arrived_bytes_max: usize,
    /// Streams of [`Connection::open`](crate::Connection::open) that one side has open. Default 256.
    pub streams_max: u32,
    /// Long messages on streams of their own under way in one direction. Default 4.
    pub long_messages_max: u32,
    /// Bytes that one stream may have in flight, read by nobody. Default 256 KiB.
    ///
    /// The connection's own window is this for every stream it may have, so that streams whose
    /// readers are behind cannot hold up the others.
    pub stream_window_bytes: u32,
    /// How long a message waits for room before its sender is told. Default 10 s.
    pub room_wait_max: Duration,
    /// Silence after which a peer counts as gone. Default 3 s.
    pub idle_time_max: Duration,
    /// Silence after which the connecting side asks for a sign of life. Default 250 ms.
    ///
    /// A restarted peer answers the question with a reset, so this is also how soon a restart is
    /// noticed on a connection without traffic.
    pub heartbeat_interval: Duration,
    /// Time for a handshake, from the first datagram to the peer's welcome. Default 3 s.
    pub handshake_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes_max: 2 << 20,
            body_bytes_max: 64 << 20,
            inline_bytes_max: 256 << 10,
            asks_in_flight_max: 1024,
            queued_bytes_max: 1 << 20,
            arrived_bytes_max: 1 << 20,
            streams_max: 256,
            long_messages_max: 4,
            stream_window_bytes: 256 << 10,
            room_wait_max: Duration::from_secs(10),
            idle_time_max: Duration::from_secs(3),
            heartbeat_interval: Duration::from_millis(250),
            handshake_time_max: Duration::from_secs(3),
        }
    }
}
