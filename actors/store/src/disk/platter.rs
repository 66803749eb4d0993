//! What is under a simulated disk: bytes, of which only those survive a loss of power that were synced.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use transport::sim::SeededRandom;

/// What a disk writes as a whole; a torn write has some of its sectors.
const SECTOR_BYTES: usize = 512;

/// The storage of one machine. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Platter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What survives.
    durable: Vec<u8>,
    /// What is read: the durable bytes with everything written since.
    seen: Vec<u8>,
    /// What was written since the last sync, in order.
    unsynced: Vec<Write>,
    /// Counts the ends of processes. Who opened it before the last one has it no more.
    life: u64,
    /// How many more writes and syncs are carried out before all fail; `None` for as many as there are.
    fuse: Option<u64>,
}

#[derive(Debug)]
enum Write {
    Bytes { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

/// What became of the writes that were not synced when the power failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unsynced {
    pub(super) kept: u64,
    pub(super) lost: u64,
    pub(super) torn: u64,
}

impl Platter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The storage as who starts now has it.
    pub(super) fn open(&self) -> Opened {
        Opened {
            platter: self.clone(),
            life: self.state().life,
        }
    }

    /// Lets every write and sync fail after so many more; `None` for never.
    pub(super) fn fail_after(&self, operations: Option<u64>) {
        self.state().fuse = operations;
    }

    /// The process ends and the machine goes on: what was written stays, synced or not.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.life += 1;
        state.fuse = None;
    }

    /// The power fails: what was not synced is kept, lost or torn, each write for itself.
    pub(super) fn fail(&self, random: &SeededRandom) -> Unsynced {
        let mut state = self.state();
        let mut became = Unsynced::default();
        for write in std::mem::take(&mut state.unsynced) {
            match random.below(3) {
                0 => became.lost += 1,
                1 => {
                    became.kept += 1;
                    write.apply(&mut state.durable);
                }
                _ => {
                    became.torn += 1;
                    write.apply_torn(&mut state.durable, random);
                }
            }
        }
        state.seen = state.durable.clone();
        state.life += 1;
        state.fuse = None;
        became
    }
}

impl Write {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Write::Length(length) => to.resize(*length, 0),
            Write::Bytes { offset, bytes } => put(to, *offset, bytes),
        }
    }

    fn apply_torn(&self, to: &mut Vec<u8>, random: &SeededRandom) {
        match self {
            Write::Length(_) => self.apply(to),
            Write::Bytes { offset, bytes } => {
                // Sectors lie at multiples of their size, wherever the write begins.
                let mut at = *offset;
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let room = SECTOR_BYTES - at % SECTOR_BYTES;
                    let (sector, after) = rest.split_at(room.min(rest.len()));
                    if random.once_in(2) {
                        put(to, at, sector);
                    }
                    at += sector.len();
                    rest = after;
                }
            }
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

/// The storage between two losses of power.
#[derive(Debug)]
pub(super) struct Opened {
    platter: Platter,
    life: u64,
}

impl Opened {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.platter.state();
        match state.life == self.life {
            true => Ok(state),
            false => Err(io::Error::other("the process has ended")),
        }
    }

    /// The state for one more write or sync.
    fn operation(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state()?;
        match &mut state.fuse {
            Some(0) => return Err(io::Error::other("the drive has failed")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(state)
    }

    fn write_down(&self, write: Write) -> io::Result<()> {
        let mut state = self.operation()?;
        write.apply(&mut state.seen);
        state.unsynced.push(write);
        Ok(())
    }
}

impl StorageBackend for Opened {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state()?;
        let offset = position(offset)?;
        let found = state.seen.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.write_down(Write::Length(position(length)?))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.operation()?;
        for write in std::mem::take(&mut state.unsynced) {
            write.apply(&mut state.durable);
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_down(Write::Bytes {
            offset: position(offset)?,
            bytes: bytes.to_vec(),
        })
    }
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}
