//! Writing a machine's actions down as they happen.

mod inputs;
mod parts;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use bincode::Encode;
use model::machine::{Machine, Now, Out, Step};
use model::trace::{Header, MAGIC, Part, RECORD_LIMIT, Record, VERSION};
use transport::MessageId;

use inputs::Inputs;
use parts::Parts;

/// Why a trace cannot be written. A component whose trace fails stops: an unrecorded step would make the rest
/// of the record a lie.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be made or written.
    #[error("trace {path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A record does not fit the format.
    #[error("trace {path}: a record of {bytes} bytes is over the limit of {RECORD_LIMIT}")]
    TooLarge {
        /// Which file.
        path: String,
        /// Size of the record.
        bytes: usize,
    },
    /// A record cannot be encoded.
    #[error("trace {path}: {source}")]
    Encode {
        /// Which file.
        path: String,
        /// Why.
        source: bincode::error::EncodeError,
    },
}

/// How large a trace grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceLimits {
    /// A file that has reached so many bytes is followed by a next part.
    pub part_bytes: u64,
    /// How many bytes of a component's machine are kept, of all its incarnations and parts together; the oldest
    /// files are dropped beyond that. The file that is written is never dropped.
    pub kept_bytes: u64,
    /// Recording of an incarnation's inputs ends at so many bytes; those of all incarnations of a component's machine
    /// are kept to twice as much.
    pub input_bytes: u64,
}

impl Default for TraceLimits {
    /// Parts of 64 MiB, 512 MiB in all; 128 MiB of inputs.
    fn default() -> Self {
        TraceLimits {
            part_bytes: 64 << 20,
            kept_bytes: 512 << 20,
            input_bytes: 128 << 20,
        }
    }
}

/// What components write down of themselves, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// The directory of all traces; made if it is not there.
    pub directory: PathBuf,
    /// Whether machines' inputs are recorded beside their actions, so that what they did can be replayed.
    pub inputs: bool,
}

impl Tracing {
    /// Begins the trace of a machine.
    ///
    /// # Errors
    /// As [`TraceWriter::create`].
    pub fn writer(&self, header: &Header) -> Result<TraceWriter, TraceError> {
        let writer = TraceWriter::create(&self.directory, header)?;
        match self.inputs {
            true => writer.with_inputs(),
            false => Ok(writer),
        }
    }
}

/// Appends records to a trace file. Each record is one `write`, so a crash of the process tears none that a
/// message could have followed.
#[derive(Debug)]
pub struct TraceWriter {
    file: File,
    parts: Parts,
    path: String,
    part: Part,
    /// Bytes of the present part.
    written: u64,
    sequence: u64,
    buffer: Vec<u8>,
    inputs: Option<Inputs>,
}

impl TraceWriter {
    /// Begins `DIR/COMPONENT.MACHINE.INCARNATION.trace`, within the limits that production has.
    ///
    /// # Errors
    /// If the directory or file cannot be made. A file of that name is an error: an incarnation runs once.
    pub fn create(directory: &Path, header: &Header) -> Result<Self, TraceError> {
        Self::within(TraceLimits::default(), directory, header)
    }

    /// The same within other limits.
    ///
    /// # Errors
    /// As [`TraceWriter::create`].
    pub fn within(
        limits: TraceLimits,
        directory: &Path,
        header: &Header,
    ) -> Result<Self, TraceError> {
        let parts = Parts::new(limits, directory, header);
        let path = parts.current();
        let text = path.display().to_string();
        let failed = |source| TraceError::File {
            path: text.clone(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut writer = TraceWriter {
            file: begin(&path).map_err(failed)?,
            parts,
            path: text,
            part: Part {
                number: 1,
                first_sequence: 1,
            },
            written: 0,
            sequence: 0,
            buffer: Vec::new(),
            inputs: None,
        };
        writer.head()?;
        writer.drop_oldest()?;
        Ok(writer)
    }

    /// Has the machine's inputs recorded too, beside the trace.
    ///
    /// # Errors
    /// If their file cannot be made.
    pub fn with_inputs(mut self) -> Result<Self, TraceError> {
        self.parts
            .drop_oldest_inputs()
            .map_err(|source| self.failed(source))?;
        let limit = self.parts.limits.input_bytes;
        let (path, header) = (self.parts.inputs(), &self.parts.header);
        self.inputs = Some(Inputs::create(&path, header, limit)?);
        Ok(self)
    }

    /// A step begins: the machine is given this. At a start that is the machine itself and what it found on disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn take(
        &mut self,
        cause: Option<MessageId>,
        now: Now,
        given: &impl Encode,
    ) -> Result<(), TraceError> {
        match &mut self.inputs {
            Some(inputs) => inputs.take(cause, now, given),
            None => Ok(()),
        }
    }

    /// A step was made: its record is written, if it moved, stamped with the newest store revision heard of. Returns
    /// after the operating system has the record.
    ///
    /// # Errors
    /// If it cannot be written, or is larger than the format allows.
    pub fn made<M: Machine<Action: Encode>>(
        &mut self,
        (cause, now, revision): (Option<MessageId>, Now, u64),
        step: &Step<M::Action>,
        out: &Out<M>,
        state: &M::State,
    ) -> Result<(), TraceError> {
        if let Step::Moved(actions) = step {
            self.record(cause, revision, now, actions)?;
        }
        let record = (self.sequence, revision);
        match &mut self.inputs {
            Some(inputs) => inputs.came(now, step, record, out, state),
            None => Ok(()),
        }
    }

    /// Goes on in a next part. The name of the newest part always names a whole file, whenever the process ends.
    fn next_part(&mut self) -> Result<(), TraceError> {
        let (current, next) = (self.parts.current(), self.parts.next());
        let sealed = self.parts.sealed(self.part.number);
        self.file = begin(&next).map_err(|source| self.failed(source))?;
        self.part = Part {
            number: self.part.number + 1,
            first_sequence: self.sequence + 1,
        };
        self.written = 0;
        self.head()?;
        std::fs::hard_link(&current, sealed)
            .and_then(|()| std::fs::rename(&next, &current))
            .map_err(|source| self.failed(source))?;
        self.drop_oldest()
    }

    fn drop_oldest(&self) -> Result<(), TraceError> {
        self.parts
            .drop_oldest()
            .map_err(|source| self.failed(source))
    }

    fn head(&mut self) -> Result<(), TraceError> {
        self.buffer.extend_from_slice(&MAGIC);
        self.buffer.extend_from_slice(&VERSION.to_le_bytes());
        self.frame(&self.parts.header.clone())?;
        self.frame(&self.part.clone())?;
        self.flush()
    }

    fn failed(&self, source: std::io::Error) -> TraceError {
        TraceError::File {
            path: self.path.clone(),
            source,
        }
    }

    /// Records one step, stamped with the newest store revision heard of. Returns after the operating system has it.
    ///
    /// # Errors
    /// If it cannot be written, or is larger than the format allows.
    pub fn record<A: Encode>(
        &mut self,
        cause: Option<MessageId>,
        revision: u64,
        now: Now,
        actions: &[A],
    ) -> Result<(), TraceError> {
        if self.written >= self.parts.limits.part_bytes && self.part.first_sequence <= self.sequence
        {
            self.next_part()?;
        }
        self.sequence += 1;
        let actions = actions
            .iter()
            .map(|action| bincode::encode_to_vec(action, bincode::config::standard()))
            .collect::<Result<_, _>>()
            .map_err(|source| TraceError::Encode {
                path: self.path.clone(),
                source,
            })?;
        let cause = cause.map(|id| (id.origin, id.sequence));
        self.frame(&Record {
            sequence: self.sequence,
            cause,
            revision,
            at_ms: now.0,
            actions,
        })?;
        self.flush()
    }

    fn frame(&mut self, value: &impl Encode) -> Result<(), TraceError> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        let bytes =
            bincode::encode_into_std_write(value, &mut self.buffer, bincode::config::standard())
                .map_err(|source| TraceError::Encode {
                    path: self.path.clone(),
                    source,
                })?;
        if bytes > RECORD_LIMIT {
            return Err(TraceError::TooLarge {
                path: self.path.clone(),
                bytes,
            });
        }
        self.buffer[start..start + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TraceError> {
        let written = self.file.write_all(&self.buffer);
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        written.map_err(|source| self.failed(source))
    }
}

fn begin(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create_new(true).open(path)
}
