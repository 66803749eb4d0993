//! Watches: every event after a revision, once, in order, whole revisions at a time.
//!
//! No event is queued for a watch. A watch is a place in the history, and is sent more when its receiver has
//! taken what was sent before; one whose place is forgotten is cancelled.

use std::collections::{BTreeMap, BTreeSet};

use super::input::{Timer, WatchId};
use super::keys::{header_size, key_value};
use super::output::Output;
use super::range::Room;
use super::state::State;
use super::step::Turn;
use super::value::Value;
use crate::actions::store::StoreAction;
use crate::messages::store::{Event, Key, KeyRange, StoreError, WatchFrame, WatchRequest};

/// The watches, found by name and by key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watches {
    by_id: BTreeMap<WatchId, Watch>,
    /// Watches of one key.
    of_key: BTreeMap<Key, BTreeSet<WatchId>>,
    /// Watches of more: few ranges, most of them watched by several, ordered by their start.
    of_range: BTreeMap<KeyRange, BTreeSet<WatchId>>,
    /// Watches that have room for more than the last step could send.
    rest: BTreeSet<WatchId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Watch {
    range: KeyRange,
    previous: bool,
    /// Events after this revision have not been sent; `None` if all that are durable have.
    behind: Option<u64>,
    /// Frames that the receiver has not taken.
    under_way: u32,
    /// It is to be told when it has every event up to this revision.
    progress: Option<u64>,
}

impl Watches {
    pub(super) fn new() -> Self {
        Watches {
            by_id: BTreeMap::new(),
            of_key: BTreeMap::new(),
            of_range: BTreeMap::new(),
            rest: BTreeSet::new(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.by_id.len() as u64
    }

    /// The watches, with whether each has been sent everything.
    pub(super) fn positions(&self) -> impl Iterator<Item = (WatchId, bool)> + '_ {
        self.by_id
            .iter()
            .map(|(id, watch)| (*id, watch.behind.is_none()))
    }

    /// The watches that have not been sent everything up to a revision.
    pub(super) fn behind(&self, revision: u64) -> impl Iterator<Item = WatchId> + '_ {
        self.by_id
            .iter()
            .filter(move |(_, watch)| watch.behind.is_some_and(|after| after < revision))
            .map(|(id, _)| *id)
    }

    fn insert(&mut self, id: WatchId, watch: Watch) {
        match watch.range.single() {
            Some(key) => self.of_key.entry(key.clone()).or_default().insert(id),
            None => self
                .of_range
                .entry(watch.range.clone())
                .or_default()
                .insert(id),
        };
        self.by_id.insert(id, watch);
    }

    /// Forgets a watch; whether there was one.
    pub(super) fn remove(&mut self, id: WatchId) -> bool {
        let Some(watch) = self.by_id.remove(&id) else {
            return false;
        };
        self.rest.remove(&id);
        match watch.range.single() {
            Some(key) => drop_from(&mut self.of_key, key, id),
            None => drop_from(&mut self.of_range, &watch.range, id),
        }
        true
    }

    /// The watches of a key.
    fn of<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = WatchId> + 'a {
        let ranges = self
            .of_range
            .iter()
            .take_while(move |(range, _)| range.start <= *key)
            .filter(move |(range, _)| range.contains(key))
            .map(|(_, watches)| watches);
        self.of_key
            .get(key)
            .into_iter()
            .chain(ranges)
            .flatten()
            .copied()
    }
}

fn drop_from<K: Ord>(map: &mut BTreeMap<K, BTreeSet<WatchId>>, key: &K, id: WatchId) {
    if let Some(watches) = map.get_mut(key) {
        watches.remove(&id);
        if watches.is_empty() {
            map.remove(key);
        }
    }
}

impl<V: Value> Turn<'_, V> {
    pub(super) fn watch(&mut self, id: WatchId, request: WatchRequest) -> Option<&'static str> {
        if self.state.watches.by_id.contains_key(&id) {
            return Some("a watch of this name exists");
        }
        match self.check_watch(&request) {
            Ok(after) => {
                let watch = Watch {
                    range: request.range.clone(),
                    previous: request.previous,
                    behind: Some(after),
                    under_way: 1,
                    progress: None,
                };
                self.state.watches.insert(id, watch);
                self.actions.push(StoreAction::WatchBegan {
                    watch: id,
                    range: request.range,
                    after,
                });
                self.out.push(Output::Frame {
                    watch: id,
                    frame: WatchFrame::Started { after },
                });
                self.pump(id);
            }
            Err(error) => {
                self.actions.push(StoreAction::Failed {
                    ask: id,
                    error: error.clone(),
                });
                self.out.push(Output::Frame {
                    watch: id,
                    frame: WatchFrame::Cancelled(error),
                });
            }
        }
        None
    }

    fn check_watch(&self, request: &WatchRequest) -> Result<u64, StoreError> {
        if let Some(reason) = &self.state.failed {
            return Err(StoreError::Failed {
                reason: reason.clone(),
            });
        }
        if self.state.watches.count() >= self.limits.watches {
            return Err(StoreError::TooManyWatches {
                limit: self.limits.watches,
            });
        }
        self.check_range(&request.range)?;
        let (compacted, newest) = (self.state.compacted, self.state.durable);
        match request.after.unwrap_or(newest) {
            revision if revision > newest => Err(StoreError::FutureRevision { revision, newest }),
            revision if revision < compacted => Err(StoreError::Compacted { compacted }),
            revision => Ok(revision),
        }
    }

    /// The receiver has taken a frame.
    pub(super) fn taken(&mut self, id: WatchId) -> Option<&'static str> {
        // A watch that was cancelled meanwhile: its receiver could not know.
        let watch = self.state.watches.by_id.get_mut(&id)?;
        let Some(under_way) = watch.under_way.checked_sub(1) else {
            return Some("no frame of this watch is under way");
        };
        watch.under_way = under_way;
        self.actions.push(StoreAction::Taken { watch: id });
        self.pump(id);
        None
    }

    pub(super) fn unwatch(&mut self, id: WatchId) -> Option<&'static str> {
        if self.state.watches.remove(id) {
            self.actions.push(StoreAction::WatchEnded {
                watch: id,
                error: None,
            });
        }
        None
    }

    /// Ends a watch, with the reason as its last frame.
    pub(super) fn cancel(&mut self, id: WatchId, error: StoreError) {
        if self.state.watches.remove(id) {
            self.actions.push(StoreAction::WatchEnded {
                watch: id,
                error: Some(error.clone()),
            });
            self.out.push(Output::Frame {
                watch: id,
                frame: WatchFrame::Cancelled(error),
            });
        }
    }

    /// Revisions after `before` have become durable: sends them to whom they concern.
    pub(super) fn announce(&mut self, before: u64) {
        let State {
            watches, durable, ..
        } = &*self.state;
        let mut concerned: BTreeMap<WatchId, u64> = BTreeMap::new();
        for revision in before + 1..=*durable {
            for key in self.state.changed(revision) {
                for id in watches.of(key) {
                    concerned.entry(id).or_insert(revision);
                }
            }
        }
        for (id, first) in concerned {
            if let Some(watch) = self.state.watches.by_id.get_mut(&id) {
                watch.behind.get_or_insert(first - 1);
            }
            self.pump(id);
        }
    }

    /// Has every watch told how far it is, as soon as it has all that is durable; answers with that revision.
    pub(super) fn progress(&mut self) -> u64 {
        let durable = self.state.durable;
        let ids: Vec<WatchId> = self.state.watches.by_id.keys().copied().collect();
        for id in ids {
            if let Some(watch) = self.state.watches.by_id.get_mut(&id) {
                watch.progress = Some(durable);
            }
            self.pump(id);
        }
        durable
    }

    /// Sends what one step could not.
    pub(super) fn send_rest(&mut self) {
        let rest = std::mem::take(&mut self.state.watches.rest);
        if !rest.is_empty() {
            let watches = rest.len() as u64;
            self.actions.push(StoreAction::Resumed { watches });
        }
        for id in rest {
            self.pump(id);
        }
    }

    /// Sends a watch as much as its receiver has room for.
    fn pump(&mut self, id: WatchId) {
        let durable = self.state.durable;
        loop {
            let Some(watch) = self.state.watches.by_id.get(&id) else {
                return;
            };
            if watch.under_way >= self.limits.frames.max(1) {
                return;
            }
            if watch.behind.is_some() && self.sent >= self.limits.step_bytes {
                if self.state.watches.rest.is_empty() {
                    self.out.timer(Timer::SendRest, 0);
                }
                self.state.watches.rest.insert(id);
                return;
            }
            let (revision, frame) = match (watch.behind, watch.progress) {
                (Some(after), _) => {
                    let (events, reached) = self.collect(watch, after);
                    self.sent += events
                        .iter()
                        .map(|event| header_size(event.key()))
                        .sum::<u64>();
                    let frame = (!events.is_empty()).then_some(WatchFrame::Events {
                        revision: reached,
                        events,
                    });
                    (reached, frame)
                }
                (None, Some(_)) => (durable, Some(WatchFrame::Progress { revision: durable })),
                (None, None) => return,
            };
            if let Some(watch) = self.state.watches.by_id.get_mut(&id) {
                watch.behind = Some(revision).filter(|reached| *reached < durable);
                if frame.is_some() {
                    watch.under_way += 1;
                    watch.progress = watch.progress.filter(|wanted| *wanted > revision);
                }
            }
            if let Some(frame) = frame {
                self.actions.extend(StoreAction::sent(id, &frame));
                self.out.push(Output::Frame { watch: id, frame });
            }
        }
    }

    /// The events after a revision that fit into a frame, whole revisions and at least one, and the revision up
    /// to which they are all.
    fn collect(&self, watch: &Watch, after: u64) -> (Vec<Event<V>>, u64) {
        let mut room = Room {
            values: self.limits.message_bytes,
            header: self.limits.header_bytes,
        };
        let mut events = Vec::new();
        for revision in after + 1..=self.state.durable {
            let start = events.len();
            let mut fits = true;
            for key in self
                .state
                .changed(revision)
                .iter()
                .filter(|key| watch.range.contains(key))
            {
                if let Some((event, header, values)) = self.event(watch, key, revision) {
                    fits &= room.take(header, values);
                    events.push(event);
                }
            }
            if !fits {
                if start == 0 {
                    return (events, revision);
                }
                events.truncate(start);
                return (events, revision - 1);
            }
        }
        (events, self.state.durable)
    }

    /// The event of a change, with its sizes in a frame beside and inside the body.
    fn event(&self, watch: &Watch, key: &Key, revision: u64) -> Option<(Event<V>, u64, u64)> {
        let (now, before) = self.state.keys.written(key, revision)?;
        let before = before.filter(|_| watch.previous);
        let size = |value: &Option<V>| value.as_ref().map_or(0, Value::size);
        let values = size(&now.value) + before.map_or(0, |before| size(&before.value));
        let header = header_size(key) * (1 + u64::from(before.is_some()));
        let previous = before.map(|before| key_value(key, before, false));
        let event = match now.value {
            Some(_) => Event::Put {
                now: key_value(key, now, false),
                previous,
            },
            None => Event::Deleted {
                key: key.clone(),
                revision,
                previous,
            },
        };
        Some((event, header, values))
    }
}
