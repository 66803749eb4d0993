//! What a client may ask of the server at a time, and how long it may take.

use std::time::Duration;

/// Bounds of everything that a client can make grow.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A request's body, in bytes; more is 413.
    pub body_bytes_max: usize,
    /// The head of a request, in bytes; more is 431.
    pub head_bytes_max: usize,
    /// Fields in the head of a request; more is 431.
    pub head_fields_max: usize,
    /// How long a client may take to send a head, and a connection may be idle, before it is closed.
    pub head_time_max: Duration,
    /// How long a client may take to send a body; after it the answer is 408.
    pub body_time_max: Duration,
    /// How long a request may take that is not a watch, a log or a session; after it the answer is 504.
    pub request_time_max: Duration,
    /// Requests under way at a time that are not watches, logs or sessions; more are 429.
    pub requests_max: usize,
    /// Watches, logs and sessions under way at a time; more are 429.
    pub streams_max: usize,
    /// Connections at a time; more wait to be accepted.
    pub connections_max: usize,
    /// Streams of one HTTP/2 connection at a time.
    pub streams_per_connection_max: u32,
    /// How long a watch lasts that does not say so itself.
    pub watch_time: Duration,
    /// How long a watch lasts at most, whatever it says.
    pub watch_time_max: Duration,
    /// How long a reader of a stream may leave what was sent to it unread before the stream is ended.
    pub unread_time_max: Duration,
    /// How long requests under way may go on after the server was told to end.
    pub goodbye_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes_max: 3 << 20,
            head_bytes_max: 64 << 10,
            head_fields_max: 100,
            head_time_max: Duration::from_secs(60),
            body_time_max: Duration::from_secs(30),
            request_time_max: Duration::from_secs(60),
            requests_max: 600,
            streams_max: 10_000,
            connections_max: 20_000,
            streams_per_connection_max: 250,
            watch_time: Duration::from_secs(45 * 60),
            watch_time_max: Duration::from_secs(24 * 3600),
            unread_time_max: Duration::from_secs(30),
            goodbye_time_max: Duration::from_secs(5),
        }
    }
}
