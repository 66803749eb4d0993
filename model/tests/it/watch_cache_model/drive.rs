//! What can happen, done to the world.

use std::collections::BTreeMap;

use model::machine::Machine;
use model::machines::watch_cache::{Fed, Input, Key, Listed, Read, Start, Timer, Watch};
use model::rules::resource_version::ReadAt;

use super::world::{Client, Reader, World};
use super::{Begin, Happening, KEYS, PREFIXES};
use crate::watch_cache::{Pick, Thing};

impl World {
    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Write(changes) => {
                let revision = self.history.newest() + 1;
                let mut written = BTreeMap::new();
                let before = self.history.at(revision);
                for (key, value) in changes {
                    let key = Key::from(KEYS[key]);
                    if value.is_some() || before.contains_key(&key) {
                        written.insert(key, value.map(Thing));
                    }
                }
                if !written.is_empty() {
                    self.history
                        .revisions
                        .push((revision, written.into_iter().collect()));
                }
            }
            Happening::Compact => self.history.compacted = self.history.newest(),
            Happening::Feed(count) => self.feed(count),
            Happening::ListOn(count) => self.list_on(count),
            Happening::Break => {
                let epoch = self
                    .feed
                    .map(|(epoch, _)| epoch)
                    .or(self.listing.as_ref().map(|one| one.0));
                if let Some(epoch) = epoch {
                    self.step(Input::Lost { epoch });
                }
            }
            Happening::Rest => self.fire(|timer| matches!(timer, Timer::Rest)),
            Happening::Bookmarks => self.fire(|timer| matches!(timer, Timer::Bookmarks)),
            Happening::Stall => self.fire(|timer| matches!(timer, Timer::Stall(_))),
            Happening::Overdue => self.fire(|timer| matches!(timer, Timer::Fresh(_))),
            Happening::Watch(prefix, filter, begin, bookmarks) => {
                self.watch(PREFIXES[prefix], filter, begin, bookmarks)
            }
            Happening::Read(prefix, filter, begin, limit) => {
                self.read(PREFIXES[prefix], filter, begin, limit)
            }
            Happening::Take(nth, count) => self.take(nth, count),
            Happening::Drop(nth) => {
                if let Some(id) = self.open(nth) {
                    self.clients.get_mut(&id).expect("it is open").ended = true;
                    self.step(Input::Dropped { request: id });
                }
            }
            Happening::TellRevision => {
                if let Some(query) = self.questions.pop_front() {
                    let revision = self.history.newest();
                    self.step(Input::Progressed { query, revision });
                }
            }
            Happening::LoseQuestion => {
                if let Some(query) = self.questions.pop_front() {
                    self.step(Input::QueryLost { query });
                }
            }
        }
    }

    pub(super) fn open(&self, nth: usize) -> Option<u64> {
        let open: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, one)| !one.ended)
            .map(|(id, _)| *id)
            .collect();
        (!open.is_empty()).then(|| open[nth % open.len()])
    }

    pub(super) fn take(&mut self, nth: usize, count: u32) {
        let Some(id) = self.open(nth) else { return };
        let client = self.clients.get_mut(&id).expect("it is open");
        let changes = count.min(client.untaken);
        client.untaken -= changes;
        if changes > 0 {
            self.step(Input::Taken {
                watcher: id,
                changes,
            });
        }
    }

    pub(super) fn fire(&mut self, which: impl Fn(&Timer) -> bool) {
        if let Some(timer) = self.timers.iter().copied().find(|timer| which(timer)) {
            self.timers.remove(&timer);
            self.step(self.machine.fired(timer));
        }
    }

    pub(super) fn feed(&mut self, count: usize) {
        let Some((epoch, fed)) = self.feed else {
            return;
        };
        if fed < self.history.compacted && fed < self.history.newest() {
            return self.step(Input::Expired { epoch });
        }
        let due: Vec<_> = self
            .history
            .revisions
            .iter()
            .filter(|(at, _)| *at > fed)
            .take(count)
            .cloned()
            .collect();
        let revision = due.last().map_or(self.history.newest(), |(at, _)| *at);
        self.feed = Some((epoch, revision));
        let changes = due.into_iter().flat_map(|(revision, changes)| {
            changes.into_iter().map(move |(key, value)| Fed {
                key,
                revision,
                value,
            })
        });
        let changes = changes.collect();
        self.step(Input::Fed {
            epoch,
            revision,
            changes,
        });
    }

    pub(super) fn list_on(&mut self, count: usize) {
        let Some((epoch, revision, rest)) = &mut self.listing else {
            return;
        };
        let (epoch, revision) = (*epoch, *revision);
        if revision < self.history.compacted {
            return self.step(Input::Expired { epoch });
        }
        let part: Vec<_> = rest.drain(..count.min(rest.len())).collect();
        let more = !rest.is_empty();
        let items = part.into_iter().map(|(key, revision, value)| Listed {
            key,
            revision,
            value,
        });
        let items = items.collect();
        self.step(Input::Listed {
            epoch,
            revision,
            items,
            more,
        });
    }

    pub(super) fn watch(
        &mut self,
        prefix: &'static str,
        filter: Pick,
        begin: Begin,
        bookmarks: bool,
    ) {
        let newest = self.history.newest();
        let (start, initial) = match begin {
            Begin::Back(back) => (Start::After(newest.saturating_sub(back)), None),
            Begin::Any => (
                Start::Initial {
                    at: ReadAt::Any,
                    bookmark: bookmarks,
                },
                Some(0),
            ),
            Begin::Newest => (
                Start::Initial {
                    at: ReadAt::AtLeast(newest),
                    bookmark: bookmarks,
                },
                Some(newest),
            ),
            Begin::Consistent => (
                Start::Initial {
                    at: ReadAt::Consistent,
                    bookmark: bookmarks,
                },
                Some(newest),
            ),
        };
        self.requests += 1;
        let client = Client {
            prefix,
            filter,
            initial,
            marked: bookmarks && initial.is_some(),
            after: None,
            objects: Vec::new(),
            objects_due: 0,
            changes: Vec::new(),
            untaken: 0,
            ended: false,
        };
        self.clients.insert(self.requests, client);
        let watch = Watch {
            prefix: Key::from(prefix),
            filter,
            start,
            bookmarks,
        };
        self.step(Input::Watch {
            request: self.requests,
            watch,
        });
    }

    pub(super) fn read(&mut self, prefix: &'static str, filter: Pick, begin: Begin, limit: u64) {
        let newest = self.history.newest();
        let (at, least) = match begin {
            Begin::Back(back) => (ReadAt::Exact(newest.saturating_sub(back).max(1)), 0),
            Begin::Any => (ReadAt::Any, 0),
            Begin::Newest => (ReadAt::AtLeast(newest), newest),
            Begin::Consistent => (ReadAt::Consistent, newest),
        };
        self.requests += 1;
        self.readers.insert(
            self.requests,
            Reader {
                prefix,
                filter,
                limit,
                at,
                least,
            },
        );
        let read = Read::List {
            prefix: Key::from(prefix),
            filter,
            limit,
            after: None,
        };
        self.step(Input::Read {
            request: self.requests,
            at,
            read,
        });
    }

    /// The faults are over: everything is fed, asked and taken until nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..1000 {
            let waits = self.timers.contains(&Timer::Rest);
            self.fire(|timer| matches!(timer, Timer::Rest));
            self.list_on(100);
            self.feed(100);
            self.happen(Happening::TellRevision);
            let open: Vec<u64> = self
                .clients
                .iter()
                .filter(|(_, one)| !one.ended)
                .map(|(id, _)| *id)
                .collect();
            let mut took = false;
            for (nth, id) in open.into_iter().enumerate() {
                took |= self.clients[&id].untaken > 0;
                self.take(nth, u32::MAX);
            }
            let fed = self
                .feed
                .is_some_and(|(_, fed)| fed == self.history.newest());
            if fed && !took && !waits && self.questions.is_empty() {
                return;
            }
        }
        panic!("it does not settle");
    }
}
