//! How far everything in the store can grow.

use bincode::{Decode, Encode};

/// The bounds of a store. Each has an error in [`StoreError`](crate::messages::store::StoreError), unless it is
/// said here what happens instead.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Limits {
    /// Bytes of a key.
    pub key_bytes: u64,
    /// Bytes of a request's keys and values together; etcd's `--max-request-bytes`.
    pub request_bytes: u64,
    /// Compares of a transaction, and operations of each of its lists; etcd's `--max-txn-ops`.
    pub operations: u64,
    /// Keys that one revision may change. A lease with more keys is revoked in several revisions.
    pub changes: u64,
    /// Bytes of keys, old and new values that one revision may change, since no revision is ever split over two
    /// messages. A lease with more is revoked in several revisions.
    pub change_bytes: u64,
    /// Bytes of values in one answer or watch frame. A range stops early there and says `more`, a watch sends
    /// another frame.
    pub message_bytes: u64,
    /// The same for everything but values.
    pub header_bytes: u64,
    /// Watches at a time.
    pub watches: u64,
    /// Leases at a time.
    pub leases: u64,
    /// Keys that go with one lease.
    pub lease_keys: u64,
    /// What one step sends to watches, in bytes beside values; the rest follows in the next steps. It bounds
    /// the time of a step and the size of its trace record.
    pub step_bytes: u64,
    /// Requests that wait for the disk.
    pub waiting: u64,
    /// Bytes of changes that wait for the disk.
    pub waiting_bytes: u64,
    /// Bytes of the keys that exist and their values; etcd's `--quota-backend-bytes`.
    pub live_bytes: u64,
    /// Frames of one watch that are under way. A watch whose receiver takes none is sent no more; its events
    /// stay in the history, and when they leave it the watch is cancelled.
    pub frames: u32,
    /// Revisions of history that are kept at least, if their bytes allow.
    pub history_revisions: u64,
    /// Bytes of history that are kept at most, beyond what is forgotten in one go.
    pub history_bytes: u64,
    /// Revisions that are forgotten in one go, so that compaction is not paid for by every write.
    pub compaction_step: u64,
}

impl Default for Limits {
    /// For clusters of one machine. 10,000 revisions are about ten minutes of an idle cluster of 100 nodes
    /// (heartbeats), and some seconds of the busiest: long enough for a restarted API server to resume its
    /// watches, and bounded to 64 MiB of memory whatever their size.
    fn default() -> Self {
        Limits {
            key_bytes: 1024,
            request_bytes: 3 << 19,
            operations: 128,
            changes: 256,
            change_bytes: 4 << 20,
            message_bytes: 4 << 20,
            header_bytes: 80 << 10,
            watches: 256,
            leases: 100_000,
            lease_keys: 512,
            step_bytes: 256 << 10,
            waiting: 8192,
            waiting_bytes: 32 << 20,
            live_bytes: 2 << 30,
            frames: 4,
            history_revisions: 10_000,
            history_bytes: 64 << 20,
            compaction_step: 128,
        }
    }
}
