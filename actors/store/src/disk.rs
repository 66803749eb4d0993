//! The durable side of the store: where commits go and where a start finds them.

mod file;
mod record;

use std::path::PathBuf;

use model::machines::store::{Durable, Incoherent, Record};
use model::objects::bytes::Bytes;

pub use file::RedbDisk;

/// What the store needs of a disk. A simulation brings its own.
pub trait Disk: Send + 'static {
    /// Everything that completed commits left behind.
    ///
    /// # Errors
    /// [`DiskError`] if it cannot be read or is not a store's.
    fn load(&mut self) -> Result<Durable<Bytes>, DiskError>;

    /// Writes records atomically. Once this returns they survive a crash and the loss of power.
    ///
    /// # Errors
    /// [`DiskError`]; whether the records survive is then unknown, and nothing more may be committed.
    fn commit(&mut self, records: &[Record<Bytes>]) -> Result<(), DiskError>;
}

/// Why a disk does not serve.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The directory cannot be made or used.
    #[error("cannot use {path}: {reason}")]
    Unusable {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system says.
        reason: std::io::Error,
    },
    /// Another process has it open.
    #[error("{path} is in use by another process: stop that one first")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a store's, or is damaged.
    #[error(
        "{path} is not a readable store: {reason}; restore it from a copy, or move it away to begin with nothing"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is a store's, in a format that this program does not know.
    #[error(
        "{path} has data format {found}, this program reads format {known}: use the version of plimsoll that wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The format that is understood.
        known: u64,
    },
    /// What it holds does not add up.
    #[error("{path} is damaged: {reason}; restore it from a copy")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not.
        reason: Incoherent,
    },
    /// A read or write failed.
    #[error("{path}: {reason}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        reason: redb::Error,
    },
}
