//! The part of the watch specification that a client can observe: what it asks for, what it is told.
//!
//! It needs no look into a server, so it also judges clusters that are not ours. One state per client.

use std::collections::{BTreeMap, BTreeSet};

use model::messages::api::Change;

use super::history::Key;
use crate::specification::{Refused, Specification, guard, present};

/// The specification of what one client may be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watcher;

/// One thing that a client does or is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Observed {
    /// A list was answered.
    Listed {
        /// The revision that it is as of.
        revision: u64,
        /// Every object with the revision of its last write.
        objects: Vec<(Key, u64)>,
    },
    /// The client asked for a watch, strictly after a revision.
    WatchedAfter(u64),
    /// The client asked for a watch that begins with the present objects and tells their end by a bookmark.
    WatchedInitial {
        /// Which revision the present objects must not be older than; 0 for any.
        least: u64,
    },
    /// An event of the watch.
    Event {
        /// What happened.
        change: Change,
        /// To which object.
        key: Key,
        /// At which revision.
        revision: u64,
    },
    /// A bookmark of the watch.
    Bookmark {
        /// Every event up to this revision has been sent.
        revision: u64,
        /// Whether it ends the initial events.
        initial_events_end: bool,
    },
    /// 410: the revision has left the server's window.
    Gone,
    /// The watch ended in another way, or a request failed.
    Ended,
    /// The client was restarted and remembers nothing.
    Restarted,
}

/// What a client has been told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Told {
    /// The objects, each with the revision of its last write; `None` before the first list.
    pub objects: Option<BTreeMap<Key, u64>>,
    /// It has been told everything up to this revision.
    pub revision: u64,
    /// The newest revision that it was ever told of, whatever it has forgotten since.
    pub newest: u64,
    /// The watch under way.
    pub watch: Option<Watching>,
    /// Whether it was told that its revision has left the window, and has not listed since.
    pub gone: bool,
}

/// A watch under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watching {
    /// It sees events strictly after this revision.
    pub after: u64,
    /// What the initial events, if they are not over, must not be older than.
    pub initial: Option<u64>,
    /// The last bookmark.
    pub bookmark: u64,
    /// The objects of which an event at [`Told::revision`] has come.
    pub at_last: BTreeSet<Key>,
}

impl Specification for Watcher {
    type State = Told;
    type Action = Observed;

    fn begin(&self) -> Told {
        Told::default()
    }

    fn apply(&self, told: &mut Told, observed: &Observed) -> Result<(), Refused> {
        match observed {
            Observed::Listed { revision, objects } => told.listed(*revision, objects),
            Observed::WatchedAfter(after) => told.watch_after(*after),
            Observed::WatchedInitial { least } => told.watch_initial(*least),
            Observed::Event {
                change,
                key,
                revision,
            } => told.event(*change, key, *revision),
            Observed::Bookmark {
                revision,
                initial_events_end,
            } => told.bookmark(*revision, *initial_events_end),
            Observed::Gone | Observed::Ended => {
                told.watch = None;
                told.gone |= *observed == Observed::Gone;
                // What of the present objects has come is not all of them.
                if told.revision == 0 {
                    told.objects = None;
                }
                Ok(())
            }
            Observed::Restarted => {
                *told = Told {
                    newest: told.newest,
                    ..Told::default()
                };
                Ok(())
            }
        }
    }
}

impl Told {
    fn listed(&mut self, revision: u64, objects: &[(Key, u64)]) -> Result<(), Refused> {
        guard(
            revision >= self.newest,
            "a client never goes back in time",
            || format!("a list as of {revision} after {}", self.newest),
        )?;
        let newest = objects.iter().map(|(_, revision)| *revision).max();
        guard(
            newest.is_none_or(|newest| newest <= revision),
            "a list holds nothing that is newer than itself",
            || format!("an object of {newest:?} in a list as of {revision}"),
        )?;
        self.objects = Some(objects.iter().cloned().collect());
        self.reached(revision);
        self.gone = false;
        self.watch = None;
        Ok(())
    }

    fn watch_after(&mut self, after: u64) -> Result<(), Refused> {
        let detail = || format!("a watch after {after} without a list");
        guard(!self.gone, "after 410 a client lists again", detail)?;
        let listed = self.objects.is_some();
        guard(listed, "a client lists before it watches", detail)?;
        guard(
            after == self.revision,
            "a watch goes on where the client is",
            || format!("a watch after {after} at {}", self.revision),
        )?;
        self.watch = Some(Watching::after(after));
        Ok(())
    }

    fn watch_initial(&mut self, least: u64) -> Result<(), Refused> {
        self.watch = Some(Watching {
            initial: Some(least),
            ..Watching::after(0)
        });
        self.objects = Some(BTreeMap::new());
        self.revision = 0;
        self.gone = false;
        Ok(())
    }

    fn event(&mut self, change: Change, key: &Key, revision: u64) -> Result<(), Refused> {
        let watch = self.watch.as_mut().zip(self.objects.as_mut());
        let (watch, objects) = present(watch, "an event belongs to a watch", || format!("{key}"))?;
        let says = || format!("{change:?} {key} at {revision}");
        if watch.initial.is_some() {
            guard(
                change == Change::Added,
                "initial events are additions",
                says,
            )?;
            let once = !objects.contains_key(key);
            guard(once, "initial events add each object once", says)?;
            objects.insert(key.clone(), revision);
            return Ok(());
        }
        guard(
            revision > watch.after,
            "a watch starts strictly after its revision",
            || format!("{} in a watch after {}", says(), watch.after),
        )?;
        guard(
            revision > watch.bookmark,
            "a bookmark tells that every event before it has come",
            || format!("{} after a bookmark at {}", says(), watch.bookmark),
        )?;
        guard(
            revision >= self.revision,
            "events are ordered by revision",
            || format!("{} after {}", says(), self.revision),
        )?;
        if revision > self.revision {
            watch.at_last.clear();
        }
        guard(
            watch.at_last.insert(key.clone()),
            "no event comes twice",
            says,
        )?;
        guard(
            (change == Change::Added) != objects.contains_key(key),
            "an event agrees with the state before",
            || format!("{} with {:?} there", says(), objects.get(key)),
        )?;
        if change == Change::Deleted {
            objects.remove(key);
        } else {
            objects.insert(key.clone(), revision);
        }
        self.reached(revision);
        Ok(())
    }

    fn bookmark(&mut self, revision: u64, initial_events_end: bool) -> Result<(), Refused> {
        let watch = present(self.watch.as_mut(), "a bookmark belongs to a watch", || {
            format!("{revision}")
        })?;
        guard(
            revision >= self.revision,
            "a bookmark is not before what came",
            || format!("a bookmark at {revision} after {}", self.revision),
        )?;
        if let Some(least) = watch.initial {
            let detail = || format!("a bookmark at {revision}, asked for {least}");
            guard(
                initial_events_end,
                "the first bookmark ends the initial events",
                detail,
            )?;
            let fresh = revision >= least;
            guard(
                fresh,
                "initial events end when they are as fresh as asked",
                detail,
            )?;
            let newest = self.objects.iter().flatten().map(|(_, at)| *at).max();
            guard(
                newest.is_none_or(|newest| newest <= revision),
                "initial events hold nothing that is newer than their end",
                || format!("an object of {newest:?} before the end at {revision}"),
            )?;
            guard(
                revision >= self.newest,
                "a client never goes back in time",
                || format!("initial events as of {revision} after {}", self.newest),
            )?;
            watch.initial = None;
            watch.after = revision;
        } else {
            guard(!initial_events_end, "initial events end once", || {
                format!(
                    "the end of initial events at {revision}, which had ended or were not asked for"
                )
            })?;
        }
        if revision > self.revision {
            watch.at_last.clear();
        }
        watch.bookmark = revision;
        self.reached(revision);
        Ok(())
    }

    fn reached(&mut self, revision: u64) {
        self.revision = revision;
        self.newest = self.newest.max(revision);
    }
}

impl Watching {
    fn after(after: u64) -> Self {
        Watching {
            after,
            initial: None,
            bookmark: 0,
            at_last: BTreeSet::new(),
        }
    }
}
