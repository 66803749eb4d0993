//! Faults of the reflector, and of the store as its watchers see it.

use model::machines::reflector::{self, Reflector, WatchEnd};
use model::machines::store::{self, Store};
use model::messages::store::{Event, Operation, StoreRequest, WatchFrame};
use specs::watch::history::Object;

use super::faulty::{Fault, MemoryOf};

/// One of the reflector's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReflectorFault {
    /// kubernetes 123072, as its thread suspects: a watch that ended in a way that calls for a list is opened again where
    /// it was.
    WatchesOn,
    /// A watch resumes after the last list, not after the last event.
    FromList,
}

/// The name of the last list's revision.
const LIST: u64 = 0;

impl Fault<Reflector<Object>> for ReflectorFault {
    fn input(
        &self,
        _: &reflector::State,
        memory: &mut MemoryOf<Reflector<Object>>,
        input: reflector::Input<Object>,
    ) -> reflector::Input<Object> {
        match (self, input) {
            (ReflectorFault::WatchesOn, reflector::Input::WatchEnded(WatchEnd::Gone)) => {
                reflector::Input::WatchEnded(WatchEnd::Disconnected)
            }
            (_, reflector::Input::Listed { revision, items }) => {
                memory.numbers.insert(LIST, revision);
                reflector::Input::Listed { revision, items }
            }
            (_, input) => input,
        }
    }

    fn output(
        &self,
        _: &reflector::State,
        memory: &mut MemoryOf<Reflector<Object>>,
        output: reflector::Output<Object>,
    ) -> Vec<reflector::Output<Object>> {
        match (self, memory.numbers.get(&LIST), output) {
            (ReflectorFault::FromList, Some(list), reflector::Output::Watch { .. }) => {
                vec![reflector::Output::Watch { after: *list }]
            }
            (_, _, output) => vec![output],
        }
    }
}

/// One of the store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreFault {
    /// etcd 18089 and 19179: a watch does not see a deletion once history was compacted.
    LostTombstone,
    /// etcd 15220, in the store: progress is told before the events that it covers.
    ProgressAhead,
}

impl Fault<Store<Object>> for StoreFault {
    fn input(
        &self,
        _: &store::State<Object>,
        memory: &mut MemoryOf<Store<Object>>,
        input: store::Input<Object>,
    ) -> store::Input<Object> {
        if let store::Input::Ask { request, .. } = &input {
            match request {
                StoreRequest::Compact { revision } => {
                    memory.numbers.insert(0, *revision);
                }
                StoreRequest::Transaction(transaction) => {
                    let deletes = |one: &Operation<Object>| matches!(one, Operation::Delete { .. });
                    memory
                        .numbers
                        .insert(1, u64::from(transaction.success.iter().any(deletes)));
                }
                _ => {}
            }
        }
        input
    }

    fn output(
        &self,
        _: &store::State<Object>,
        memory: &mut MemoryOf<Store<Object>>,
        output: store::Output<Object>,
    ) -> Vec<store::Output<Object>> {
        let store::Output::Frame { watch, frame } = output else {
            return vec![output];
        };
        let sent = |frame| store::Output::Frame { watch, frame };
        match (self, frame) {
            (
                StoreFault::LostTombstone,
                WatchFrame::Events {
                    revision,
                    mut events,
                },
            ) if memory.numbers.contains_key(&0) => {
                events.retain(|event| !matches!(event, Event::Deleted { .. }));
                vec![sent(WatchFrame::Events { revision, events })]
            }
            (StoreFault::ProgressAhead, WatchFrame::Events { revision, events })
                if events.first().map(Event::revision) < events.last().map(Event::revision) =>
            {
                let progress = sent(WatchFrame::Progress { revision });
                vec![progress, sent(WatchFrame::Events { revision, events })]
            }
            (_, frame) => vec![sent(frame)],
        }
    }
}
