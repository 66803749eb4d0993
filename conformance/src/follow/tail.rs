//! The trace of one start of a machine, read as it grows.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use model::trace::{Header, MAGIC, Part, Record, VERSION};

use crate::trace::{Frames, ReadError};

/// Reads what was appended, through the parts of a trace.
#[derive(Debug)]
pub(super) struct Tail {
    /// `COMPONENT.MACHINE.INCARNATION.trace`: the newest part.
    path: PathBuf,
    file: File,
    /// What was read and is no whole record yet.
    unread: Vec<u8>,
    /// What the trace is of; `None` until its beginning is whole.
    header: Option<Header>,
    part: u32,
    next_sequence: u64,
}

/// What a trace that is followed cannot be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Parts were dropped before they were read.
    #[error(
        "{path}: part {part} was dropped before it was read: what the machine did there is not known"
    )]
    Missed { path: PathBuf, part: u32 },
}

impl Tail {
    /// Opens the trace whose newest part is at `path`, at its first part.
    pub(super) fn open(path: PathBuf) -> Result<Self, Broken> {
        let first = sealed(&path, 1);
        let file = match File::open(&first) {
            Err(error) if error.kind() == ErrorKind::NotFound => File::open(&path),
            opened => opened,
        };
        Ok(Tail {
            file: file.map_err(|source| failed(&path, source))?,
            path,
            unread: Vec::new(),
            header: None,
            part: 1,
            next_sequence: 1,
        })
    }

    /// The newest part.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the trace is of, once its beginning has been read.
    pub(super) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The records that were appended since the last time. A record that is half there waits for its other half.
    pub(super) fn read(&mut self) -> Result<Vec<Record>, Broken> {
        let mut records = Vec::new();
        let mut begun = self.header.is_some();
        loop {
            // Asked before the rest is read: a part that another follows grows no more.
            let followed = sealed(&self.path, self.part).exists();
            self.file
                .read_to_end(&mut self.unread)
                .map_err(|source| failed(&self.path, source))?;
            if !begun {
                begun = self.begin()?;
            }
            if begun {
                self.take(&mut records)?;
            }
            if !followed {
                return Ok(records);
            }
            if !begun || !self.unread.is_empty() {
                let why = "a part that another follows is cut off";
                return Err(self.malformed(why.to_owned()));
            }
            self.go_on()?;
            begun = false;
        }
    }

    /// Opens the next part.
    fn go_on(&mut self) -> Result<(), Broken> {
        self.part += 1;
        let next = sealed(&self.path, self.part);
        let file = match File::open(&next) {
            Err(error) if error.kind() == ErrorKind::NotFound => File::open(&self.path),
            opened => opened,
        };
        self.file = file.map_err(|source| failed(&self.path, source))?;
        Ok(())
    }

    /// Reads what stands before the records of a part; `false` if it is not all there yet.
    fn begin(&mut self) -> Result<bool, Broken> {
        let start = MAGIC.len() + 2;
        if self.unread.len() < start {
            return Ok(false);
        }
        let found = u16::from_le_bytes([self.unread[start - 2], self.unread[start - 1]]);
        let path = || self.path.clone();
        if !self.unread.starts_with(&MAGIC) {
            return Err(ReadError::Foreign { path: path() }.into());
        }
        if found != VERSION {
            let path = path();
            return Err(ReadError::OtherVersion { path, found }.into());
        }
        let mut frames = Frames::new(&self.path, &self.unread, start);
        let (Some(header), Some(part)) = (frames.next::<Header>()?, frames.next::<Part>()?) else {
            return Ok(false);
        };
        let read = frames.offset();
        if part.number > self.part {
            let (path, part) = (path(), self.part);
            return Err(Broken::Missed { path, part });
        }
        let known = self.header.as_ref().is_none_or(|known| *known == header);
        if !known || part.number != self.part || part.first_sequence != self.next_sequence {
            let why = "it is not the part that is due".to_owned();
            return Err(self.malformed(why));
        }
        self.header = Some(header);
        self.unread.drain(..read);
        Ok(true)
    }

    fn take(&mut self, records: &mut Vec<Record>) -> Result<(), Broken> {
        let mut frames = Frames::new(&self.path, &self.unread, 0);
        while let Some(record) = frames.next::<Record>()? {
            let due = self.next_sequence;
            if record.sequence != due {
                let why = format!("record {} where {due} was due", record.sequence);
                return Err(self.malformed(why));
            }
            self.next_sequence += 1;
            records.push(record);
        }
        let read = frames.offset();
        self.unread.drain(..read);
        Ok(())
    }

    fn malformed(&self, why: String) -> Broken {
        Broken::Read(ReadError::Malformed {
            path: self.path.clone(),
            offset: 0,
            why: format!("after record {}: {why}", self.next_sequence - 1),
        })
    }
}

fn failed(path: &Path, source: std::io::Error) -> ReadError {
    ReadError::File {
        path: path.to_owned(),
        source,
    }
}

/// The name of a part that another follows.
fn sealed(path: &Path, part: u32) -> PathBuf {
    path.with_extension(format!("{part}.part"))
}
