//! The files of a machine's traces: their names, and which of them are kept.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use model::trace::Header;

use super::TraceLimits;

/// The files of one machine of one component.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) limits: TraceLimits,
    pub(super) header: Header,
    directory: PathBuf,
}

impl Parts {
    pub(super) fn new(limits: TraceLimits, directory: &Path, header: &Header) -> Self {
        Parts {
            limits,
            header: header.clone(),
            directory: directory.to_owned(),
        }
    }

    /// The newest part.
    pub(super) fn current(&self) -> PathBuf {
        self.file("trace")
    }

    /// A part that is followed by another.
    pub(super) fn sealed(&self, number: u32) -> PathBuf {
        self.file(&format!("{number}.part"))
    }

    /// A part that is about to be the newest.
    pub(super) fn next(&self) -> PathBuf {
        self.file("next")
    }

    /// The record of inputs.
    pub(super) fn inputs(&self) -> PathBuf {
        self.file("inputs")
    }

    fn file(&self, end: &str) -> PathBuf {
        let (machines, incarnation) = (self.machine(), self.header.incarnation);
        self.directory
            .join(format!("{machines}{incarnation}.{end}"))
    }

    /// How the names of all files of this machine begin.
    fn machine(&self) -> String {
        format!("{}.{}.", self.header.component, self.header.machine)
    }

    /// Drops the oldest files beyond what is kept.
    pub(super) fn drop_oldest(&self) -> io::Result<()> {
        let files = self.files(|name| self.age(name))?;
        // The last is the one that is written.
        drop_beyond(self.limits.kept_bytes, &files, 1)
    }

    /// Drops records of inputs of the oldest incarnations, so that there is room for another.
    pub(super) fn drop_oldest_inputs(&self) -> io::Result<()> {
        let files = self.files(|name| self.age_of_inputs(name))?;
        drop_beyond(self.limits.input_bytes, &files, 0)
    }

    /// The files that have an age, with their sizes, the oldest first.
    fn files(&self, age: impl Fn(&OsStr) -> Option<(u64, u32)>) -> io::Result<Vec<Aged>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if let Some(age) = age(&entry.file_name()) {
                match entry.metadata() {
                    Ok(metadata) => files.push((age, metadata.len(), entry.path())),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        files.sort();
        Ok(files)
    }

    fn age_of_inputs(&self, name: &OsStr) -> Option<(u64, u32)> {
        let rest = name.to_str()?.strip_prefix(&self.machine())?;
        Some((rest.strip_suffix(".inputs")?.parse().ok()?, 0))
    }

    /// Where a file of this machine stands in the order of their ages: incarnation and part, the newest part of an
    /// incarnation last.
    fn age(&self, name: &OsStr) -> Option<(u64, u32)> {
        let rest = name.to_str()?.strip_prefix(&self.machine())?;
        let (incarnation, end) = rest.split_once('.')?;
        let part = match end {
            "trace" => u32::MAX,
            end => end.strip_suffix(".part")?.parse().ok()?,
        };
        Some((incarnation.parse().ok()?, part))
    }
}

/// A file, its size in bytes, and where it stands among those of its machine.
type Aged = ((u64, u32), u64, PathBuf);

/// Removes the oldest files until the others are within the limit; the newest `spared` are never removed.
fn drop_beyond(limit: u64, files: &[Aged], spared: usize) -> io::Result<()> {
    let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files.iter().rev().skip(spared).rev() {
        if total <= limit {
            break;
        }
        fs::remove_file(path)?;
        total -= bytes;
    }
    Ok(())
}
