//! Reading trace files.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bincode::Decode;
use model::trace::{Header, MAGIC, Part, RECORD_LIMIT, Record, VERSION};

/// Why a trace file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file itself.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not begin as a trace does.
    #[error("{path}: not a trace file")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// It was written in another version of the format.
    #[error("{path}: trace format {found}, this program reads {VERSION}")]
    OtherVersion {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// Bytes in its middle are no record.
    #[error("{path}: damaged: what begins at byte {offset} is no record: {why}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where.
        offset: usize,
        /// What is wrong there.
        why: String,
    },
}

/// A trace that was read to its end.
#[derive(Debug)]
pub struct Trace {
    /// What the trace is of.
    pub header: Header,
    /// The oldest part that is there. Records before its first were dropped, whole parts at a time.
    pub part: Part,
    /// The records of all parts, numbered from the first of [`Trace::part`] without gaps.
    pub records: Vec<Record>,
    /// Bytes after the last whole record: what a crash left half-written.
    pub torn_bytes: usize,
}

/// Reads the trace of an incarnation whole: the newest part at `path`, and the earlier ones beside it.
///
/// # Errors
/// [`ReadError`]; a file whose last record is cut off is not an error, if it is the newest part.
pub fn read(path: &Path) -> Result<Trace, ReadError> {
    let bytes = load(path)?;
    let mut trace = decode(path, &bytes)?;
    // From the newest to the oldest, so that a part that is dropped meanwhile is only an earlier end of the search.
    while trace.part.number > 1 {
        let earlier = path.with_extension(format!("{}.part", trace.part.number - 1));
        let bytes = match load(&earlier) {
            Err(ReadError::File { source, .. }) if source.kind() == ErrorKind::NotFound => break,
            loaded => loaded?,
        };
        let mut before = decode(&earlier, &bytes)?;
        let next = before
            .part
            .first_sequence
            .saturating_add(before.records.len() as u64);
        let wrong = if before.torn_bytes > 0 {
            Some("a part that another follows is cut off".to_owned())
        } else if before.header != trace.header || before.part.number + 1 != trace.part.number {
            Some("it is not the part that its name says".to_owned())
        } else if next != trace.part.first_sequence {
            let found = trace.part.first_sequence;
            Some(format!(
                "the next part begins with record {found} where {next} was due"
            ))
        } else {
            None
        };
        if let Some(why) = wrong {
            return Err(ReadError::Malformed {
                path: earlier,
                offset: bytes.len() - before.torn_bytes,
                why,
            });
        }
        before.records.append(&mut trace.records);
        trace.records = before.records;
        trace.part = before.part;
    }
    Ok(trace)
}

fn load(path: &Path) -> Result<Vec<u8>, ReadError> {
    std::fs::read(path).map_err(|source| ReadError::File {
        path: path.to_owned(),
        source,
    })
}

/// One part.
fn decode(path: &Path, bytes: &[u8]) -> Result<Trace, ReadError> {
    let foreign = || ReadError::Foreign {
        path: path.to_owned(),
    };
    let rest = bytes.strip_prefix(&MAGIC).ok_or_else(foreign)?;
    let (version, _) = rest.split_first_chunk::<2>().ok_or_else(foreign)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(ReadError::OtherVersion {
            path: path.to_owned(),
            found: version,
        });
    }
    let mut frames = Frames::new(path, bytes, MAGIC.len() + 2);
    let header: Header = frames.next()?.ok_or_else(foreign)?;
    let part: Part = frames.next()?.ok_or_else(foreign)?;
    if part.number == 0 || part.first_sequence == 0 {
        return Err(frames.malformed("parts and records are counted from 1".to_owned()));
    }
    let mut records: Vec<Record> = Vec::new();
    loop {
        let at = frames.offset;
        let Some(record) = frames.next::<Record>()? else {
            let torn_bytes = bytes.len() - frames.offset;
            return Ok(Trace {
                header,
                part,
                records,
                torn_bytes,
            });
        };
        let expected = part.first_sequence.saturating_add(records.len() as u64);
        if record.sequence != expected {
            let why = format!("record {} where {expected} was due", record.sequence);
            return Err(ReadError::Malformed {
                path: path.to_owned(),
                offset: at,
                why,
            });
        }
        records.push(record);
    }
}

/// Reads one frame after the other.
pub(crate) struct Frames<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Frames<'a> {
    /// The frames of a file from an offset on.
    pub(crate) fn new(path: &'a Path, bytes: &'a [u8], offset: usize) -> Self {
        Frames {
            path,
            bytes,
            offset,
        }
    }

    /// Where the next frame begins.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// The next whole frame; `None` where the file ends, inside a frame or between two.
    pub(crate) fn next<T: Decode<()>>(&mut self) -> Result<Option<T>, ReadError> {
        let Some((length, rest)) = self.bytes[self.offset..].split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > RECORD_LIMIT {
            return Err(self.malformed(format!(
                "a record of {length} bytes is over the limit of {RECORD_LIMIT}"
            )));
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        let config = bincode::config::standard().with_limit::<RECORD_LIMIT>();
        let (value, used) = bincode::decode_from_slice(frame, config)
            .map_err(|error| self.malformed(error.to_string()))?;
        if used != length {
            return Err(self.malformed(format!("{} bytes too many in a record", length - used)));
        }
        self.offset += 4 + length;
        Ok(Some(value))
    }

    fn malformed(&self, why: String) -> ReadError {
        ReadError::Malformed {
            path: self.path.to_owned(),
            offset: self.offset,
            why,
        }
    }
}
