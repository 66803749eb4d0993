//! A disk in memory, on tokio's clock: the same file format over storage that forgets what was not synced.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use model::machines::store::{Durable, Record};
use model::objects::bytes::Bytes;
use tokio::time::sleep;
use transport::sim::SeededRandom;

use super::platter::Platter;
use super::{Disk, DiskError, Pending, StoreFile};

/// How its errors call the file.
const NAME: &str = "simulated/store.redb";
/// A commit makes fewer writes and syncs than this, mostly; what cuts it off hits one of them.
const OPERATIONS_OF_A_COMMIT: u64 = 24;

/// How long a commit takes, each a time of its own in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Default for Speed {
    /// A solid-state disk: between one and three milliseconds with its sync.
    fn default() -> Self {
        Speed {
            least: Duration::from_millis(1),
            most: Duration::from_millis(3),
        }
    }
}

/// What ends of the process, with or without its machine's power, have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// While nothing was being written.
    pub idle: u64,
    /// Before anything of a commit was written.
    pub before_a_commit: u64,
    /// In the middle of a commit's writes.
    pub within_a_commit: u64,
    /// After a commit was durable and before anyone was told.
    pub after_a_commit: u64,
    /// Writes that were not synced and vanished.
    pub writes_lost: u64,
    /// Writes that were not synced, of which some sectors were kept.
    pub writes_torn: u64,
    /// Commits that failed because the drive did; the process ended by itself.
    pub commits_failed: u64,
}

/// The drive of a machine. It outlives the processes that use it; clones are the same drive.
#[derive(Clone)]
pub struct Drive(Rc<Inner>);

struct Inner {
    platter: Platter,
    random: SeededRandom,
    speed: Cell<Speed>,
    under_way: RefCell<Option<Commit>>,
    losses: Cell<Losses>,
}

/// A commit between its order and its completion.
struct Commit {
    file: Rc<RefCell<Option<StoreFile>>>,
    records: Vec<Record<Bytes>>,
    written: bool,
}

impl Drive {
    /// An empty drive whose every choice follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Drive(Rc::new(Inner {
            platter: Platter::default(),
            random: SeededRandom::new(seed),
            speed: Cell::default(),
            under_way: RefCell::default(),
            losses: Cell::default(),
        }))
    }

    /// The drive as a disk of a process that starts.
    pub fn disk(&self) -> SimulatedDisk {
        SimulatedDisk {
            drive: self.clone(),
            file: Rc::default(),
        }
    }

    /// Changes how fast it is from the next commit on.
    pub fn set_speed(&self, speed: Speed) {
        self.0.speed.set(speed);
    }

    /// Lets a write or sync of the next commits fail, and every one after it until the process that uses the drive has
    /// ended, as after an input/output error. What was written stays as it is.
    pub fn fail(&self) {
        let operations = self.0.random.below(OPERATIONS_OF_A_COMMIT);
        self.0.platter.fail_after(Some(operations));
    }

    /// Nothing fails from here on, unless it has failed already.
    pub fn mend(&self) {
        self.0.platter.fail_after(None);
    }

    /// Whether a commit is under way.
    pub fn is_busy(&self) -> bool {
        self.0.under_way.borrow().is_some()
    }

    /// What ends of the process have done so far.
    pub fn losses(&self) -> Losses {
        self.0.losses.get()
    }

    /// The process that uses it dies and the power fails with it: a commit that is under way happens not at all,
    /// in part or as a whole, and unsynced writes are kept, lost or torn. The next [`Drive::disk`] finds what is
    /// left.
    pub fn lose_power(&self) {
        self.interrupt();
        let unsynced = self.0.platter.fail(&self.0.random);
        let mut losses = self.0.losses.get();
        losses.writes_lost += unsynced.lost;
        losses.writes_torn += unsynced.torn;
        self.0.losses.set(losses);
    }

    /// The process that uses it dies, as by `kill -9`: a commit that is under way happens not at all, in part or as
    /// a whole; what was written stays, synced or not.
    pub fn lose_process(&self) {
        self.interrupt();
        self.0.platter.close();
    }

    /// Cuts the commit that is under way off somewhere.
    fn interrupt(&self) {
        let Inner {
            platter, random, ..
        } = &*self.0;
        let mut losses = self.0.losses.get();
        match self.0.under_way.take() {
            None => losses.idle += 1,
            Some(commit) if commit.written => losses.after_a_commit += 1,
            Some(_) if random.once_in(3) => losses.before_a_commit += 1,
            Some(commit) => {
                losses.within_a_commit += 1;
                platter.fail_after(Some(random.below(OPERATIONS_OF_A_COMMIT)));
                if let Some(file) = commit.file.borrow_mut().as_mut() {
                    // It fails where it is cut off; what it left behind is what this is about.
                    let _ = file.commit(&commit.records);
                }
            }
        }
        self.0.losses.set(losses);
    }

    /// Does the commit that is under way, unless it is done already.
    fn carry_out(&self) -> Result<(), DiskError> {
        let mut under_way = self.0.under_way.borrow_mut();
        let Some(commit) = under_way.as_mut().filter(|commit| !commit.written) else {
            return Ok(());
        };
        commit.written = true;
        let done = match commit.file.borrow_mut().as_mut() {
            Some(file) => file.commit(&commit.records),
            None => Err(DiskError::Ended(" before it was loaded")),
        };
        if done.is_err() {
            *under_way = None;
            let mut losses = self.0.losses.get();
            losses.commits_failed += 1;
            self.0.losses.set(losses);
        }
        done
    }

    fn takes(&self) -> Duration {
        let Speed { least, most } = self.0.speed.get();
        let micros =
            |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX >> 1);
        Duration::from_micros(self.0.random.between(micros(least), micros(most)))
    }
}

/// A drive, as the process sees it that has it open.
pub struct SimulatedDisk {
    drive: Drive,
    file: Rc<RefCell<Option<StoreFile>>>,
}

impl Disk for SimulatedDisk {
    fn load(&mut self) -> Pending<Durable<Bytes>> {
        let (drive, file) = (self.drive.clone(), self.file.clone());
        Box::pin(async move {
            sleep(drive.takes()).await;
            let mut opened = StoreFile::open_on(drive.0.platter.open(), Path::new(NAME))?;
            let loaded = opened.load()?;
            *file.borrow_mut() = Some(opened);
            Ok(loaded)
        })
    }

    fn commit(&mut self, records: Vec<Record<Bytes>>) -> Pending<()> {
        let (drive, file) = (self.drive.clone(), self.file.clone());
        *drive.0.under_way.borrow_mut() = Some(Commit {
            file,
            records,
            written: false,
        });
        let (writing, telling) = (drive.takes(), drive.takes() / 2);
        Box::pin(async move {
            sleep(writing).await;
            let done = drive.carry_out();
            sleep(telling).await;
            drive.0.under_way.take();
            done
        })
    }

    fn close(&mut self) -> Pending<()> {
        let (drive, file) = (self.drive.clone(), self.file.clone());
        Box::pin(async move {
            // What was begun is done, whether or not anyone waits for it.
            sleep(drive.takes()).await;
            let done = drive.carry_out();
            drive.0.under_way.take();
            file.take();
            done
        })
    }
}
