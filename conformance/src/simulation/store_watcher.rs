//! A watch of everything the store holds, which goes on where it was whenever it breaks.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use model::messages::api::Change;
use model::messages::store::{Event, KeyRange, StoreError, WatchFrame};
use model::objects::bytes::Bytes;
use tokio::time::sleep;

use super::history::History;
use super::store_client::StoreClient;

/// How long to wait before the next attempt.
const RETRY: Duration = Duration::from_millis(100);

/// What such a watch was told. Clones share it.
#[derive(Clone, Default)]
pub struct Told(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    stretches: Vec<Stretch>,
    faults: Vec<String>,
}

/// What came without a gap: after one revision, up to another.
struct Stretch {
    after: u64,
    through: u64,
    events: Vec<(u64, String, Change)>,
}

impl Told {
    /// What was told that must not be: against the rules of watches, or other than what the store says that it wrote.
    pub fn faults(&self, history: &History) -> Vec<String> {
        let inner = self.0.borrow();
        let differing = inner.stretches.iter().filter_map(|stretch| {
            let Stretch { after, through, .. } = stretch;
            let written = history.changes(after + 1..=*through, "/");
            (!written.eq(stretch.events.iter().cloned())).then(|| {
                format!(
                    "the watch of the store after revision {after} and up to {through} was told other events than \
                     were written"
                )
            })
        });
        let differing: Vec<String> = differing.collect();
        inner.faults.iter().cloned().chain(differing).collect()
    }

    /// Up to which revision everything has been told, if a watch has begun.
    fn through(&self) -> Option<u64> {
        let inner = self.0.borrow();
        inner.stretches.last().map(|stretch| stretch.through)
    }

    /// Takes in a frame of a watch that was to begin `after`; false if it was the last.
    fn take(&self, frame: WatchFrame<Bytes>, after: &mut Option<u64>) -> bool {
        let mut inner = self.0.borrow_mut();
        let Inner { stretches, faults } = &mut *inner;
        match (frame, stretches.last_mut()) {
            (WatchFrame::Started { after: began }, Some(stretch)) if after.is_some() => {
                if began != stretch.through {
                    let asked = stretch.through;
                    faults.push(format!(
                        "a watch after revision {asked} began after {began}"
                    ));
                }
            }
            (WatchFrame::Started { after: began }, _) => stretches.push(Stretch {
                after: began,
                through: began,
                events: Vec::new(),
            }),
            (WatchFrame::Events { revision, events }, Some(stretch)) => {
                let mut least = stretch.through + 1;
                for event in events {
                    let at = event.revision();
                    if !(least..=revision).contains(&at) {
                        faults.push(format!(
                            "a watch of the store was sent {} at revision {at}, with {least} to {revision} due",
                            event.key()
                        ));
                    }
                    least = least.max(at);
                    let change = change(&event);
                    stretch.events.push((at, event.key().to_string(), change));
                }
                stretch.through = stretch.through.max(revision);
            }
            (WatchFrame::Progress { revision }, Some(stretch)) => {
                if revision < stretch.through {
                    let through = stretch.through;
                    faults.push(format!(
                        "a watch of the store was at revision {through}, and is said to be at {revision}"
                    ));
                }
                stretch.through = stretch.through.max(revision);
            }
            (WatchFrame::Cancelled(StoreError::Compacted { .. }), _) => {
                *after = None;
                return false;
            }
            (WatchFrame::Cancelled(_), _) => return false,
            (_, None) => {
                faults.push("a watch of the store did not tell where it begins".to_owned())
            }
        }
        true
    }
}

fn change(event: &Event<Bytes>) -> Change {
    match event {
        Event::Put { now, .. } if now.version == 1 => Change::Added,
        Event::Put { .. } => Change::Modified,
        Event::Deleted { .. } => Change::Deleted,
    }
}

/// Watches for as long as the simulation lasts; from the newest revision anew only if the one to go on from is forgotten.
pub async fn follow(store: StoreClient, told: Told) {
    let mut after = None;
    loop {
        if let Some(mut watch) = store.watch(KeyRange::prefix("/"), after).await {
            while let Some(frame) = watch.frame().await {
                if !told.take(frame, &mut after) {
                    break;
                }
                after = told.through();
            }
        }
        sleep(RETRY).await;
    }
}
