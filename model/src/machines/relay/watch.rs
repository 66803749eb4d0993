//! Watches: places in the engine's history. No event is queued for one; it is sent more when its receiver has taken
//! what was sent before, and cancelled when its place is forgotten.

use super::state::{Called, Watch};
use super::step::Turn;
use super::{Output, Timer, Value, WatchId};
use crate::actions::store::StoreAction;
use crate::machines::store::header_size;
use crate::messages::store::{Event, KeyValue, StoreError, StoreRequest, WatchFrame, WatchRequest};

/// How long a watch that is to be told how far it is waits for the events to come that far by themselves, in
/// milliseconds, before the mark is written; they do at once unless others write to the engine too.
const MARK_MS: u64 = 20;
/// How long a mark that was written may take, in milliseconds, before another is.
const MARK_AGAIN_MS: u64 = 1_000;

impl<V: Value> Turn<'_, V> {
    pub(super) fn watch(&mut self, id: WatchId, request: WatchRequest) -> Option<&'static str> {
        if self.state.watches.contains_key(&id) || self.state.calls.contains_key(&id) {
            return Some("a watch of this name exists");
        }
        let limit = self.limits.watches;
        if self.state.watches.len() as u64 >= limit {
            self.refuse_watch(id, StoreError::TooManyWatches { limit });
            return None;
        }
        match request.after {
            // Others may have been told of what was not told here yet: the engine knows.
            Some(after) if after > self.state.told && self.state.away.is_none() => {
                self.call(id, Called::Watch(request), StoreRequest::Progress);
            }
            _ => self.open(id, request),
        }
        None
    }

    /// Begins a watch, if the history allows.
    pub(super) fn open(&mut self, id: WatchId, request: WatchRequest) {
        if let Some(away) = &self.state.away {
            let reason = away.reason.clone();
            return self.refuse_watch(id, StoreError::Unavailable { reason });
        }
        let (compacted, newest) = (self.state.history.compacted, self.state.told);
        let after = match request.after.unwrap_or(newest) {
            revision if revision > newest => {
                return self.refuse_watch(id, StoreError::FutureRevision { revision, newest });
            }
            revision if revision < compacted => {
                return self.refuse_watch(id, StoreError::Compacted { compacted });
            }
            revision => revision,
        };
        let watch = Watch {
            range: request.range.clone(),
            previous: request.previous,
            position: after,
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

    pub(super) fn refuse_watch(&mut self, id: WatchId, error: StoreError) {
        self.actions.push(StoreAction::Failed {
            ask: id,
            error: error.clone(),
        });
        self.out.push(Output::Frame {
            watch: id,
            frame: WatchFrame::Cancelled(error),
        });
    }

    /// The receiver has taken a frame.
    pub(super) fn taken(&mut self, id: WatchId) -> Option<&'static str> {
        // A watch that was cancelled meanwhile: its receiver could not know.
        let watch = self.state.watches.get_mut(&id)?;
        let Some(under_way) = watch.under_way.checked_sub(1) else {
            return Some("no frame of this watch is under way");
        };
        watch.under_way = under_way;
        self.actions.push(StoreAction::Taken { watch: id });
        self.pump(id);
        None
    }

    pub(super) fn unwatch(&mut self, id: WatchId) {
        self.state.rest.remove(&id);
        let began = self.state.watches.remove(&id).is_some();
        if let Some(call @ Called::Watch(_)) = self.state.calls.get_mut(&id) {
            *call = Called::Nobody;
        } else if !began {
            return;
        }
        self.actions.push(match began {
            true => StoreAction::WatchEnded {
                watch: id,
                error: None,
            },
            false => StoreAction::Waiting { ask: id },
        });
    }

    /// Ends a watch, with the reason as its last frame.
    pub(super) fn cancel(&mut self, id: WatchId, error: StoreError) {
        self.state.rest.remove(&id);
        if self.state.watches.remove(&id).is_some() {
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

    /// Has every watch told when it has every event up to a revision of the engine.
    pub(super) fn progress(&mut self, revision: u64) {
        for watch in self.state.watches.values_mut() {
            watch.progress = watch.progress.max(Some(revision));
        }
        self.pump_all();
        self.have_marked();
    }

    /// The same of one watch, if it began.
    pub(super) fn await_progress(&mut self, id: WatchId, revision: u64) {
        if let Some(watch) = self.state.watches.get_mut(&id) {
            watch.progress = watch.progress.max(Some(revision));
            self.pump(id);
            self.have_marked();
        }
    }

    /// Has the mark written in a while, if a watch waits for it.
    fn have_marked(&mut self) {
        if self.awaits_mark() && !self.state.marking {
            self.state.marking = true;
            self.out.timer(Timer::Mark, MARK_MS);
        }
    }

    /// Whether a watch waits for events to come further than they have.
    fn awaits_mark(&self) -> bool {
        let position = self.state.history.position;
        let mut watches = self.state.watches.values();
        watches.any(|watch| watch.progress.is_some_and(|wanted| wanted > position))
    }

    /// The newest revision may be one that others made: nothing of it comes here, so a mark of our own follows it.
    pub(super) fn mark_due(&mut self) {
        self.state.marking = self.state.away.is_none() && self.awaits_mark();
        if self.state.marking {
            self.out.push(Output::Mark);
            self.out.timer(Timer::Mark, MARK_AGAIN_MS);
        }
        self.actions.push(StoreAction::Marked {
            written: self.state.marking,
        });
    }

    pub(super) fn pump_all(&mut self) {
        let watches: Vec<_> = self.state.watches.keys().copied().collect();
        for watch in watches {
            self.pump(watch);
        }
    }

    /// Sends what one step could not.
    pub(super) fn send_rest(&mut self) {
        let rest = std::mem::take(&mut self.state.rest);
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
        let position = self.state.history.position;
        loop {
            let Some(watch) = self.state.watches.get(&id) else {
                return;
            };
            if watch.under_way >= self.limits.frames.max(1) {
                return;
            }
            let behind = watch.position < position;
            if behind && self.sent >= self.limits.step_bytes {
                return self.put_off(id);
            }
            let (revision, frame) = if behind {
                let (events, revision) = self.collect(watch);
                let frame = (!events.is_empty()).then_some(WatchFrame::Events { revision, events });
                (revision, frame)
            } else if watch.progress.is_some_and(|wanted| wanted <= position) {
                // A watch may begin after events that have not come here yet.
                let revision = position.max(watch.position);
                (revision, Some(WatchFrame::Progress { revision }))
            } else {
                return;
            };
            if let Some(watch) = self.state.watches.get_mut(&id) {
                watch.position = revision;
                if frame.is_some() {
                    watch.under_way += 1;
                    watch.progress = watch.progress.filter(|wanted| *wanted > revision);
                }
            }
            if let Some(frame) = frame {
                self.sent += header(&frame);
                self.actions.extend(StoreAction::sent(id, &frame));
                self.out.push(Output::Frame { watch: id, frame });
            }
        }
    }

    fn put_off(&mut self, id: WatchId) {
        if self.state.rest.is_empty() {
            self.out.timer(Timer::SendRest, 0);
        }
        self.state.rest.insert(id);
    }

    /// The next events of a watch that fit into a frame, whole revisions and at least one, and the revision up to
    /// which they are all.
    fn collect(&self, watch: &Watch) -> (Vec<Event<V>>, u64) {
        let mut events = Vec::new();
        let (mut values, mut headers) = (0, 0);
        let mut reached = watch.position;
        for known in self.state.history.since(watch.position) {
            let start = events.len();
            for event in &known.events {
                if watch.range.contains(event.key()) {
                    let event = shown(event, watch.previous);
                    let (value, header) = sizes(&event);
                    values += value;
                    headers += header;
                    events.push(event);
                }
            }
            let fits = values <= self.limits.message_bytes && headers <= self.limits.header_bytes;
            if !fits && start > 0 {
                events.truncate(start);
                return (events, reached);
            }
            reached = known.revision;
            if !fits && events.len() > start {
                return (events, reached);
            }
        }
        (events, self.state.history.position)
    }
}

fn shown<V: Clone>(event: &Event<V>, previous: bool) -> Event<V> {
    let mut event = event.clone();
    if !previous {
        match &mut event {
            Event::Put { previous, .. } | Event::Deleted { previous, .. } => *previous = None,
        }
    }
    event
}

/// What an event takes in a frame's body and beside it.
fn sizes<V: Value>(event: &Event<V>) -> (u64, u64) {
    let value = |state: &KeyValue<V>| state.value.as_ref().map_or(0, Value::size);
    let (now, before) = match event {
        Event::Put { now, previous } => (value(now), previous),
        Event::Deleted { previous, .. } => (0, previous),
    };
    let header = header_size(event.key());
    match before {
        Some(before) => (now + value(before), 2 * header),
        None => (now, header),
    }
}

fn header<V: Value>(frame: &WatchFrame<V>) -> u64 {
    match frame {
        WatchFrame::Events { events, .. } => events.iter().map(|event| sizes(event).1).sum(),
        _ => 0,
    }
}
