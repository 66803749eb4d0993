//! Writing a machine's actions down as they happen.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use bincode::Encode;
use model::machine::Now;
use model::trace::{Header, MAGIC, RECORD_LIMIT, Record, VERSION};
use transport::MessageId;

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

/// Appends records to a trace file. Each record is one `write`, so a crash of the process tears none that a
/// message could have followed.
#[derive(Debug)]
pub struct TraceWriter {
    file: File,
    path: String,
    sequence: u64,
    buffer: Vec<u8>,
}

impl TraceWriter {
    /// Begins `DIR/COMPONENT.MACHINE.INCARNATION.trace`.
    ///
    /// # Errors
    /// If the directory or file cannot be made. A file of that name is an error: an incarnation runs once.
    pub fn create(directory: &Path, header: &Header) -> Result<Self, TraceError> {
        let name = format!(
            "{}.{}.{}.trace",
            header.component, header.machine, header.incarnation
        );
        let path = directory.join(name);
        let text = path.display().to_string();
        let failed = |source| TraceError::File {
            path: text.clone(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(failed)?;
        let mut writer = TraceWriter {
            file,
            path: text,
            sequence: 0,
            buffer: Vec::new(),
        };
        writer.buffer.extend_from_slice(&MAGIC);
        writer.buffer.extend_from_slice(&VERSION.to_le_bytes());
        writer.frame(header)?;
        writer.flush()?;
        Ok(writer)
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
        self.buffer.clear();
        written.map_err(|source| TraceError::File {
            path: self.path.clone(),
            source,
        })
    }
}
