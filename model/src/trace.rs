//! The format of a trace: what a running machine did, one record a step, at its linearisation point.
//!
//! A trace file is [`MAGIC`], [`VERSION`] as a little-endian `u16`, a [`Header`], a [`Part`], and [`Record`]s, each
//! of these behind its length as a little-endian `u32`. A trace that grows too large goes on in a next file: the
//! newest part is `COMPONENT.MACHINE.INCARNATION.trace`, an earlier one `COMPONENT.MACHINE.INCARNATION.PART.part`.
//! Only whole parts are dropped, and the oldest first, so what is left has no gap.
//! A shell writes the record of a step before any message that the step causes leaves the process, so the
//! end of a crashed component's trace may be missing and nothing in its middle may.
//!
//! What a machine was given stands beside its trace, as [`inputs`] tells.

pub mod digest;
pub mod inputs;

use bincode::{Decode, Encode};

/// First bytes of every trace file.
pub const MAGIC: [u8; 8] = *b"PLMTRACE";

/// Version of this format; a reader refuses what it does not know.
pub const VERSION: u16 = 4;

/// A record or header larger than this is not one of ours, in bytes.
pub const RECORD_LIMIT: usize = 1 << 20;

/// What a trace file is of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// The machine: `store`, `watch_cache`, `scheduler`, …; it tells how actions are decoded.
    pub machine: String,
    /// The process: `apiserver`, `node-1.kubelet`, ….
    pub component: String,
    /// Which start of that component, counted by its supervisor from 1.
    pub incarnation: u64,
}

/// Which part of an incarnation's trace a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// Counts the parts of an incarnation from 1.
    pub number: u32,
    /// The sequence number of this part's first record.
    pub first_sequence: u64,
}

/// One step of a machine that moved.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// Counts the records of an incarnation from 1, without gaps, through all its parts.
    pub sequence: u64,
    /// The message whose arrival was the step's input, as origin and sequence; `None` for timers, completions
    /// and starts.
    pub cause: Option<(u64, u64)>,
    /// The newest store revision that the process had heard of when the step was made: a Lamport clock that the
    /// store drives. Whatever has a smaller stamp did not happen because of this record.
    pub revision: u64,
    /// Wall-clock milliseconds since the Unix epoch: for people to read, never to order by.
    pub at_ms: u64,
    /// The step's actions, each encoded by bincode as the machine's action type.
    pub actions: Vec<Vec<u8>>,
}
