//! Writing down what a machine was given, behind what leaves the process.

use std::fs::{File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::Path;

use bincode::Encode;
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use model::machine::{Machine, Now, Out, Step};
use model::trace::Header;
use model::trace::digest::{Digest, of_requests};
use model::trace::inputs::{
    CLOSED, FRAME_LIMIT, LIMIT_REACHED, MAGIC, Outcome, Stamp, Taken, VERSION,
};
use transport::MessageId;

use super::TraceError;

/// So much is gathered before it is written, in bytes.
const GATHERED: usize = 64 << 10;
/// What was gathered does not wait for longer than this while the machine makes steps, in milliseconds.
const GATHERED_MS: u64 = 1_000;
/// A step pays for so many bytes of states' digests, on the average.
const DIGESTED_A_STEP: u64 = 1_024;
/// The first steps whose states are digested, and the least distance between two later ones.
const DIGEST_STEPS_MIN: u64 = 16;
/// A state larger than this is digested once and then no more: it would hold the machine up, in bytes.
const STATE_LIMIT: u64 = 16 << 20;

/// A record of inputs that grows. It ends by itself when it has reached its limit.
#[derive(Debug)]
pub(super) struct Inputs {
    file: File,
    path: String,
    limit: u64,
    written: u64,
    gathered: Vec<u8>,
    flushed: Now,
    steps: u64,
    /// Where the frame of the step that is being made begins in `gathered`.
    open: Option<usize>,
    /// The step whose state is digested next; `None` if none will be.
    digest: Option<u64>,
    ended: bool,
}

impl Inputs {
    pub(super) fn create(path: &Path, header: &Header, limit: u64) -> Result<Self, TraceError> {
        let text = path.display().to_string();
        let opened = OpenOptions::new().append(true).create_new(true).open(path);
        let file = opened.map_err(|source| TraceError::File {
            path: text.clone(),
            source,
        })?;
        let mut inputs = Inputs {
            file,
            path: text,
            limit,
            written: 0,
            gathered: Vec::new(),
            flushed: Now::default(),
            steps: 0,
            open: None,
            digest: Some(0),
            ended: false,
        };
        inputs.gathered.extend_from_slice(&MAGIC);
        inputs.gathered.extend_from_slice(&VERSION.to_le_bytes());
        inputs.gathered.extend_from_slice(&[0; 4]);
        let start = inputs.gathered.len();
        inputs.put(start, header)?;
        inputs.seal(start - 4);
        inputs.flush()?;
        Ok(inputs)
    }

    /// A step begins, with this input.
    pub(super) fn take(
        &mut self,
        cause: Option<MessageId>,
        now: Now,
        given: &impl Encode,
    ) -> Result<(), TraceError> {
        if self.ended {
            return Ok(());
        }
        let start = self.gathered.len();
        self.gathered.extend_from_slice(&[0; 4]);
        let stamp = Stamp {
            step: self.steps,
            at_ms: now.0,
            cause: cause.map(|id| (id.origin, id.sequence)),
        };
        if self.put(start, &stamp)? && self.put(start, given)? {
            self.open = Some(start);
        } else {
            self.end(start)?;
        }
        Ok(())
    }

    /// The step was made. `sequence` and `revision` are of its record, if it left one.
    pub(super) fn came<M: Machine>(
        &mut self,
        now: Now,
        step: &Step<M::Action>,
        (sequence, revision): (u64, u64),
        out: &Out<M>,
        state: &M::State,
    ) -> Result<(), TraceError> {
        let Some(start) = self.open else {
            return Ok(());
        };
        let taken = match step {
            Step::Moved(_) => Taken::Moved { sequence, revision },
            Step::Nothing => Taken::Nothing,
            Step::Refused(_) => Taken::Refused,
        };
        let outcome = Outcome::Finished {
            taken,
            requests: of_requests(out),
            state: self.digest_of(state),
        };
        self.close(start, outcome)?;
        let waited = now.0.saturating_sub(self.flushed.0);
        if self.gathered.len() >= GATHERED || waited >= GATHERED_MS {
            self.flushed = now;
            self.flush()?;
        }
        Ok(())
    }

    fn digest_of(&mut self, state: &impl Hash) -> Option<u64> {
        if self.digest.is_none_or(|due| self.steps < due) {
            return None;
        }
        let mut digest = Digest::new();
        state.hash(&mut digest);
        let pause = (digest.bytes() / DIGESTED_A_STEP).max(DIGEST_STEPS_MIN);
        let due = match self.steps < DIGEST_STEPS_MIN {
            true => self.steps + 1,
            false => self.steps + pause,
        };
        self.digest = (digest.bytes() <= STATE_LIMIT).then_some(due);
        Some(digest.finish())
    }

    fn close(&mut self, start: usize, outcome: Outcome) -> Result<(), TraceError> {
        self.open = None;
        self.steps += 1;
        if !self.put(start, &outcome)? {
            return self.end(start);
        }
        let size = (self.gathered.len() - start) as u64;
        self.seal(start);
        self.written += size;
        match self.written > self.limit {
            true => self.end(self.gathered.len()),
            false => Ok(()),
        }
    }

    /// Recording ends before the frame that begins at `start`.
    fn end(&mut self, start: usize) -> Result<(), TraceError> {
        self.gathered.truncate(start);
        self.gathered
            .extend_from_slice(&LIMIT_REACHED.to_le_bytes());
        self.ended = true;
        self.open = None;
        self.flush()?;
        self.gathered = Vec::new();
        Ok(())
    }

    /// Appends to the frame that begins at `start`; `false` if it would be larger than a frame may be.
    fn put(&mut self, start: usize, value: &impl Encode) -> Result<bool, TraceError> {
        let mut bounded = Bounded {
            bytes: &mut self.gathered,
            limit: start + FRAME_LIMIT,
            over: false,
        };
        let encoded = bincode::encode_into_writer(value, &mut bounded, bincode::config::standard());
        match (encoded, bounded.over) {
            (Ok(()), _) => Ok(true),
            (Err(_), true) => Ok(false),
            (Err(source), false) => Err(TraceError::Encode {
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn seal(&mut self, start: usize) {
        let length = (self.gathered.len() - start - 4) as u32;
        self.gathered[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn flush(&mut self) -> Result<(), TraceError> {
        let written = self.file.write_all(&self.gathered);
        self.gathered.clear();
        // One large input does not keep its room for ever.
        self.gathered.shrink_to(2 * GATHERED);
        written.map_err(|source| TraceError::File {
            path: self.path.clone(),
            source,
        })
    }
}

impl Drop for Inputs {
    /// The machine has ended: what is gathered is written, and the input of a step that was not finished too.
    fn drop(&mut self) {
        let unfinished = match self.open {
            Some(start) => self.close(start, Outcome::Unfinished),
            None => Ok(()),
        };
        if !self.ended {
            self.gathered.extend_from_slice(&CLOSED.to_le_bytes());
        }
        if let Err(error) = unfinished.and_then(|()| self.flush()) {
            tracing::warn!(%error, "the last inputs are not recorded");
        }
    }
}

/// Takes bytes up to a limit.
struct Bounded<'a> {
    bytes: &'a mut Vec<u8>,
    limit: usize,
    over: bool,
}

impl Writer for &mut Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        if self.bytes.len() + bytes.len() > self.limit {
            self.over = true;
            return Err(EncodeError::UnexpectedEnd);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}
