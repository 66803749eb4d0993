//! One redb file: ACID, exclusively locked, its pages checked against their sums.
//!
//! | table | row |
//! |---|---|
//! | `format` | the version of this layout, and the revision of the base |
//! | `log` | a revision after the base → what it changed |
//! | `base` | a key → its state in the base |
//! | `leases` | a lease → its time to live in seconds |

use std::path::{Path, PathBuf};

use model::machines::store::{Change, Durable, Record};
use model::messages::store::Key;
use model::objects::bytes::Bytes;
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, WriteTransaction,
};

use super::DiskError;
use super::record::{self, RowError};

/// The version of the layout. Another number means other tables or rows.
const FORMAT: u64 = 1;

/// Pages that redb keeps in memory, in bytes. The machine has every value itself, so this only spares reading
/// the upper pages of the trees back while writing.
const CACHE_BYTES: usize = 4 << 20;

const META: TableDefinition<&str, u64> = TableDefinition::new("format");
const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
const BASE: TableDefinition<&str, &[u8]> = TableDefinition::new("base");
const LEASES: TableDefinition<u64, u32> = TableDefinition::new("leases");

const VERSION: &str = "version";
const COMPACTED: &str = "compacted";

/// A store's file.
pub struct StoreFile {
    path: PathBuf,
    database: Database,
    row: Vec<u8>,
}

impl StoreFile {
    /// Opens `DIRECTORY/store.redb`, or makes it.
    ///
    /// # Errors
    /// [`DiskError`] with the reason: no access, in use, not a store's, of another format.
    pub fn open(directory: &Path) -> Result<Self, DiskError> {
        std::fs::create_dir_all(directory).map_err(|reason| DiskError::Unusable {
            path: directory.to_owned(),
            reason,
        })?;
        let path = directory.join("store.redb");
        let database = builder().create(&path);
        Self::on(database, path)
    }

    /// The same on something else than a file of the operating system. `name` is how errors call it.
    ///
    /// # Errors
    /// As [`open`](StoreFile::open).
    pub(super) fn open_on(backend: impl StorageBackend, name: &Path) -> Result<Self, DiskError> {
        Self::on(builder().create_with_backend(backend), name.to_owned())
    }

    fn on(database: Result<Database, DatabaseError>, path: PathBuf) -> Result<Self, DiskError> {
        let database = database.map_err(|error| refusal(&path, error))?;
        let mut disk = StoreFile {
            path,
            database,
            row: Vec::new(),
        };
        disk.check_format()?;
        Ok(disk)
    }

    /// Everything that completed commits left behind.
    ///
    /// # Errors
    /// [`DiskError`] if it cannot be read or does not add up.
    pub fn load(&mut self) -> Result<Durable<Bytes>, DiskError> {
        let found = self
            .read()
            .map_err(|reason| self.failed(reason))?
            .map_err(|error| self.foreign(error.to_string()))?;
        found.check().map_err(|reason| DiskError::Damaged {
            path: self.path.clone(),
            reason,
        })?;
        Ok(found)
    }

    /// Writes records atomically; once this returns they survive a crash and the loss of power.
    ///
    /// # Errors
    /// [`DiskError`]; whether the records survive is then unknown.
    pub fn commit(&mut self, records: &[Record<Bytes>]) -> Result<(), DiskError> {
        self.write(records)
            .map_err(|reason| self.failed(reason))?
            .map_err(|error| self.foreign(error.to_string()))
    }

    /// Reads the layout's version, or writes it into a file that has no tables.
    fn check_format(&mut self) -> Result<(), DiskError> {
        let (found, empty) = self.format().map_err(|reason| self.failed(reason))?;
        match found {
            Some(FORMAT) => Ok(()),
            Some(found) => Err(DiskError::Version {
                path: self.path.clone(),
                found,
                known: FORMAT,
            }),
            None if empty => self.make_tables().map_err(|reason| self.failed(reason)),
            None => Err(self.foreign("it is a redb file of another program".to_owned())),
        }
    }

    fn format(&self) -> Result<(Option<u64>, bool), redb::Error> {
        let read = self.database.begin_read()?;
        if read.list_tables()?.next().is_none() && read.list_multimap_tables()?.next().is_none() {
            return Ok((None, true));
        }
        let found = match read.open_table(META) {
            Ok(meta) => meta.get(VERSION)?.map(|version| version.value()),
            Err(redb::TableError::Storage(error)) => return Err(error.into()),
            Err(_) => None,
        };
        Ok((found, false))
    }

    fn make_tables(&self) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        write.open_table(META)?.insert(VERSION, FORMAT)?;
        write.open_table(LOG)?;
        write.open_table(BASE)?;
        write.open_table(LEASES)?;
        Ok(write.commit()?)
    }

    fn read(&self) -> Result<Result<Durable<Bytes>, RowError>, redb::Error> {
        let read = self.database.begin_read()?;
        let mut found = Durable::default();
        if let Some(compacted) = read.open_table(META)?.get(COMPACTED)? {
            found.compacted = compacted.value();
        }
        for row in read.open_table(BASE)?.iter()? {
            match record::decode(row?.1.value()) {
                Ok(changes) => found
                    .base
                    .extend(changes.into_iter().map(|change| (change.key, change.now))),
                Err(error) => return Ok(Err(error)),
            }
        }
        for row in read.open_table(LOG)?.iter()? {
            let (revision, row) = row?;
            match record::decode(row.value()) {
                Ok(changes) => found.log.insert(revision.value(), changes),
                Err(error) => return Ok(Err(error)),
            };
        }
        for row in read.open_table(LEASES)?.iter()? {
            let (lease, ttl_seconds) = row?;
            found.leases.insert(lease.value(), ttl_seconds.value());
        }
        Ok(Ok(found))
    }

    fn write(&mut self, records: &[Record<Bytes>]) -> Result<Result<(), RowError>, redb::Error> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        for run in records.chunk_by(|a, b| std::mem::discriminant(a) == std::mem::discriminant(b)) {
            if let Err(error) = write_run(&write, run, &mut self.row)? {
                write.abort()?;
                return Ok(Err(error));
            }
        }
        write.commit()?;
        Ok(Ok(()))
    }

    fn failed(&self, reason: redb::Error) -> DiskError {
        DiskError::Failed {
            path: self.path.clone(),
            reason,
        }
    }

    fn foreign(&self, reason: String) -> DiskError {
        DiskError::Foreign {
            path: self.path.clone(),
            reason,
        }
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder
        .set_cache_size(CACHE_BYTES)
        // Without this redb trusts a file that was closed in order, and may panic if it was damaged since.
        .set_check_integrity_on_open(true);
    builder
}

/// Writes records of one sort, which go to the same tables.
fn write_run(
    write: &WriteTransaction,
    run: &[Record<Bytes>],
    row: &mut Vec<u8>,
) -> Result<Result<(), RowError>, redb::Error> {
    match run.first() {
        None => {}
        Some(Record::Revision { .. }) => {
            let mut log = write.open_table(LOG)?;
            for record in run {
                let Record::Revision { revision, changes } = record else {
                    continue;
                };
                row.clear();
                if let Err(error) = record::encode(changes, row) {
                    return Ok(Err(error));
                }
                log.insert(revision, row.as_slice())?;
            }
        }
        Some(Record::LeaseGranted { .. } | Record::LeaseEnded { .. }) => {
            let mut leases = write.open_table(LEASES)?;
            for record in run {
                match record {
                    Record::LeaseGranted { lease, ttl_seconds } => {
                        leases.insert(lease, ttl_seconds)?
                    }
                    Record::LeaseEnded { lease } => leases.remove(lease)?,
                    Record::Revision { .. } | Record::Compacted { .. } => None,
                };
            }
        }
        Some(Record::Compacted { .. }) => {
            for record in run {
                let Record::Compacted { through, base } = record else {
                    continue;
                };
                if let Err(error) = fold(write, *through, base, row)? {
                    return Ok(Err(error));
                }
            }
        }
    }
    Ok(Ok(()))
}

/// Moves the base to `through`.
fn fold(
    write: &WriteTransaction,
    through: u64,
    base: &[(Key, Option<model::machines::store::Version<Bytes>>)],
    row: &mut Vec<u8>,
) -> Result<Result<(), RowError>, redb::Error> {
    write.open_table(META)?.insert(COMPACTED, through)?;
    write.open_table(LOG)?.retain_in(..=through, |_, _| false)?;
    let mut table = write.open_table(BASE)?;
    for (key, version) in base {
        match version {
            Some(version) => {
                row.clear();
                let change = Change {
                    key: key.clone(),
                    now: version.clone(),
                };
                if let Err(error) = record::encode(&[change], row) {
                    return Ok(Err(error));
                }
                table.insert(&**key, row.as_slice())?;
            }
            None => {
                table.remove(&**key)?;
            }
        }
    }
    Ok(Ok(()))
}

fn refusal(path: &Path, error: DatabaseError) -> DiskError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => DiskError::InUse { path },
        DatabaseError::UpgradeRequired(version) => DiskError::Foreign {
            path,
            reason: format!("its file format is redb's version {version}"),
        },
        DatabaseError::Storage(redb::StorageError::Io(reason))
            if reason.kind() != std::io::ErrorKind::InvalidData =>
        {
            DiskError::Unusable { path, reason }
        }
        error => DiskError::Foreign {
            path,
            reason: error.to_string(),
        },
    }
}
