//! The format of a record of inputs, which stands beside a trace: what a machine was given, so that it can be given
//! the same again.
//!
//! A file is `COMPONENT.MACHINE.INCARNATION.inputs`: [`MAGIC`], [`VERSION`] as a little-endian `u16`, and frames, each
//! behind its length as a little-endian `u32`. The first frame is the [`Header`](super::Header) of the trace. The
//! second is the beginning: a [`Stamp`], the machine itself (its configuration), what it found on disk, an [`Outcome`].
//! Each other is a step: a [`Stamp`], the input, an [`Outcome`]. Timers that fired and random choices are inputs too,
//! and the time is in the stamp, so nothing else goes into a step.
//!
//! In the place of a length, [`LIMIT_REACHED`] says that recording ends there because of its limit, and [`CLOSED`] that
//! the machine has ended there. A record of inputs always has its
//! beginning: a machine can be run again only from there. So it is not cut at its old end, as a trace is, but at its
//! new one. Its last steps may be missing after a crash, for it is written behind what leaves the process.

use bincode::{Decode, Encode};

/// First bytes of every record of inputs.
pub const MAGIC: [u8; 8] = *b"PLMINPUT";

/// Version of this format; a reader refuses what it does not know.
pub const VERSION: u16 = 4;

/// A frame larger than this is not recorded, and recording ends before it, in bytes.
pub const FRAME_LIMIT: usize = 32 << 20;

/// In the place of a frame's length: the record ends here because it has reached its limit.
pub const LIMIT_REACHED: u32 = 0;

/// In the place of a frame's length: the machine has ended here, in order or by a panic of its step.
pub const CLOSED: u32 = u32::MAX;

/// Which step, and what it was given beside its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stamp {
    /// Counts steps: the start is 0, whatever comes of the others each counts.
    pub step: u64,
    /// The time of the step, in wall-clock milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The message whose arrival was the input, as in the trace's record.
    pub cause: Option<(u64, u64)>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// The process ended inside the step.
    Unfinished,
    /// The step was made.
    Finished {
        /// What it did to the state.
        taken: Taken,
        /// The digest of what it asked of its driver, in order: outputs and timers.
        requests: u64,
        /// The digest of the whole state after it, where one was taken.
        state: Option<u64>,
    },
}

/// What a step did to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Taken {
    /// It moved and left a record in the trace.
    Moved {
        /// The record.
        sequence: u64,
        /// The revision that the record is stamped with.
        revision: u64,
    },
    /// Nothing, as the machine says; a start may do without an action.
    Nothing,
    /// The input was refused.
    Refused,
}
