//! A file behind a thread of its own, so that the event loop goes on while the disk works.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use model::machines::store::{Durable, Record};
use model::objects::bytes::Bytes;
use tokio::sync::oneshot;

use super::{Disk, DiskError, Pending, StoreFile};

enum Job {
    Load(oneshot::Sender<Result<Durable<Bytes>, DiskError>>),
    Commit(Vec<Record<Bytes>>, oneshot::Sender<Result<(), DiskError>>),
}

/// A store's file, opened and written to by one thread.
pub struct DiskThread {
    jobs: Option<mpsc::Sender<Job>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl DiskThread {
    /// Starts the thread. It opens the store in `directory` when it is first asked to
    /// [`load`](Disk::load).
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(directory: PathBuf) -> std::io::Result<Self> {
        // Its length is bounded by the machine: one commit is under way at a time.
        let (jobs, queue) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        thread::Builder::new()
            .name("store-disk".to_owned())
            .spawn(move || {
                work(&directory, &queue);
                // Nobody waits if the process ends without closing.
                let _ = end.send(());
            })?;
        Ok(DiskThread {
            jobs: Some(jobs),
            ended: Some(ended),
        })
    }

    fn give<T: 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, DiskError>>) -> Job,
    ) -> Pending<T> {
        let (done, completed) = oneshot::channel();
        let given = self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job(done)).is_ok());
        Box::pin(async move {
            if !given {
                return Err(DiskError::Ended(""));
            }
            completed
                .await
                .unwrap_or(Err(DiskError::Ended(" in the middle of its work")))
        })
    }
}

/// Does one job after another until no more can come; then the file is closed.
fn work(directory: &std::path::Path, queue: &mpsc::Receiver<Job>) {
    let mut file = None;
    while let Ok(job) = queue.recv() {
        // Whoever asked may have gone; the work is done all the same.
        match (job, &mut file) {
            (Job::Load(done), file) => {
                let loaded = match file {
                    Some(file) => StoreFile::load(file),
                    None => {
                        StoreFile::open(directory).and_then(|opened| file.insert(opened).load())
                    }
                };
                let _ = done.send(loaded);
            }
            (Job::Commit(records, done), Some(file)) => {
                let _ = done.send(file.commit(&records));
            }
            (Job::Commit(_, done), None) => {
                let _ = done.send(Err(DiskError::Ended(" before it was loaded")));
            }
        }
    }
}

impl Disk for DiskThread {
    fn load(&mut self) -> Pending<Durable<Bytes>> {
        self.give(Job::Load)
    }

    fn commit(&mut self, records: Vec<Record<Bytes>>) -> Pending<()> {
        self.give(|done| Job::Commit(records, done))
    }

    fn close(&mut self) -> Pending<()> {
        self.jobs = None;
        let ended = self.ended.take();
        Box::pin(async move {
            if let Some(ended) = ended {
                // An error means that the thread panicked, and with it went the file.
                let _ = ended.await;
            }
            Ok(())
        })
    }
}
