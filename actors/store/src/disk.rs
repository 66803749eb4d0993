//! The durable side of the store: where commits go and where a start finds them.

mod file;
mod platter;
mod record;
mod simulated;
mod thread;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use model::machines::store::{Durable, Incoherent, Record};
use model::objects::bytes::Bytes;

pub use file::StoreFile;
pub use simulated::{Drive, Losses, SimulatedDisk, Speed};
pub use thread::DiskThread;

/// Work of a disk that is under way. It goes on whether or not anyone waits for it.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, DiskError>>>>;

/// What the store needs of a disk. None of it blocks. A simulation brings its own.
pub trait Disk: 'static {
    /// Reads everything that completed commits left behind.
    ///
    /// # Errors
    /// [`DiskError`] if it cannot be read or is not a store's.
    fn load(&mut self) -> Pending<Durable<Bytes>>;

    /// Writes records atomically. Once this has completed they survive a crash and the loss of power.
    ///
    /// # Errors
    /// [`DiskError`]; whether the records survive is then unknown, and nothing more may be committed.
    fn commit(&mut self, records: Vec<Record<Bytes>>) -> Pending<()>;

    /// Ends: completes when what was begun is done and the files are closed.
    ///
    /// # Errors
    /// None that concerns what was committed.
    fn close(&mut self) -> Pending<()>;
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
    /// The thread that does the work is not there.
    #[error("the disk's thread has ended{0}")]
    Ended(&'static str),
    /// A read or write failed.
    #[error("{path}: {reason}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        reason: redb::Error,
    },
}
