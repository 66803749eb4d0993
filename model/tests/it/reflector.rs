//! The reflector's scenarios, its transition table, and its guarantees under arbitrary conversations.

use std::collections::BTreeMap;

use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::reflector::{
    Delivery, Delta, Event, Input, Item, Output, Phase, Reflector, State, Store, WatchEnd,
};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use proptest::prelude::*;

use crate::scenario::{self, Player, Rig};

struct ReflectorPlayer {
    rig: Rig<Reflector<u8>>,
    transitions: std::rc::Rc<std::cell::RefCell<std::collections::BTreeSet<String>>>,
}

fn phase(state: &State) -> String {
    format!("{:?}", state.phase)
}

/// `name@revision=value`.
fn item(text: &str) -> Result<Item<u8>, String> {
    let (name, rest) = text.split_once('@').ok_or("name@revision=value")?;
    let (revision, value) = rest.split_once('=').unwrap_or((rest, "0"));
    Ok(Item {
        key: ObjectKey::new(kinds::pods(), "d", name),
        revision: revision.parse().map_err(|_| "a revision")?,
        value: value.parse().map_err(|_| "a value")?,
    })
}

impl Player for ReflectorPlayer {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let number = |at: usize| -> Result<u64, String> {
            words
                .get(at)
                .and_then(|w| w.parse().ok())
                .ok_or_else(|| "a number".to_owned())
        };
        let input = match words[0] {
            "listed" => Input::Listed {
                revision: number(1)?,
                items: words[2..]
                    .iter()
                    .map(|w| item(w))
                    .collect::<Result<_, _>>()?,
            },
            "list-failed" => Input::ListFailed,
            "events" => Input::Events(
                words[1..]
                    .iter()
                    .map(|w| match w.strip_prefix('-') {
                        Some(rest) => item(rest).map(Event::Deleted),
                        None => item(w).map(Event::Applied),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            "bookmark" => Input::Bookmark(number(1)?),
            "ended" => Input::WatchEnded(match words.get(1).copied() {
                Some("gone") => WatchEnd::Gone,
                Some("lagging") => WatchEnd::Lagging,
                Some("closed") => WatchEnd::Closed,
                _ => WatchEnd::Disconnected,
            }),
            "fire" => return self.rig.fire(phase, "Retry"),
            "retry" => Input::Retry,
            other => return Err(format!("unknown command {other}")),
        };
        let answer = self.rig.step(phase, input);
        self.transitions.borrow_mut().extend(self.rig.transitions());
        Ok(answer)
    }
}

#[test]
fn scenarios_and_transitions() {
    let transitions = std::rc::Rc::new(std::cell::RefCell::new(std::collections::BTreeSet::new()));
    scenario::play_all("reflector", || ReflectorPlayer {
        rig: Rig::new(Reflector::default()).0,
        transitions: transitions.clone(),
    });
    let rows: Vec<String> = transitions.borrow().iter().cloned().collect();
    insta::assert_snapshot!(rows.join("\n"));
}

/// A server with a history: what was written at which revision, and from where on it still knows.
#[derive(Clone, Debug)]
struct Server {
    history: Vec<(u64, u8, Option<u8>)>,
    compacted: u64,
}

impl Server {
    fn at(&self, revision: u64) -> BTreeMap<u8, (u64, u8)> {
        let mut objects = BTreeMap::new();
        for (at, name, value) in self.history.iter().filter(|(at, ..)| *at <= revision) {
            match value {
                Some(value) => objects.insert(*name, (*at, *value)),
                None => objects.remove(name),
            };
        }
        objects
    }

    fn revision(&self) -> u64 {
        self.history.last().map_or(1, |(at, ..)| *at)
    }
}

fn key(name: u8) -> ObjectKey {
    ObjectKey::new(kinds::pods(), "d", &name.to_string())
}

#[derive(Clone, Debug)]
enum Happening {
    Write(u8, Option<u8>),
    Serve(u8),
    Bookmark,
    Break(WatchEnd),
    Compact,
    StaleList,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0u8..3, proptest::option::weighted(0.7, any::<u8>())).prop_map(|(n, v)| Happening::Write(n, v)),
        6 => (1u8..4).prop_map(Happening::Serve),
        1 => Just(Happening::Bookmark),
        2 => prop_oneof![Just(WatchEnd::Disconnected), Just(WatchEnd::Closed), Just(WatchEnd::Lagging)]
            .prop_map(Happening::Break),
        1 => Just(Happening::Compact),
        1 => Just(Happening::StaleList),
    ]
}

/// The reflector with a driver and a receiver's copy.
struct Running {
    machine: Reflector<u8>,
    state: State,
    copy: Store<u8>,
    wanted: Option<Output<u8>>,
    waiting: bool,
    delivered: u64,
}

impl Running {
    fn input(&mut self, input: Input<u8>) -> Step<model::actions::reflector::ReflectorAction> {
        let mut out = Out::new();
        let step = self.machine.step(&mut self.state, Now(0), input, &mut out);
        self.asked(&mut out);
        step
    }

    fn asked(&mut self, out: &mut Out<Reflector<u8>>) {
        for request in out.drain() {
            match request {
                Request::Output(Output::Deliver(delivery)) => {
                    let at = match &delivery {
                        Delivery::Replace { revision, .. } => *revision,
                        Delivery::Apply(item) | Delivery::Delete(item) => item.revision,
                    };
                    assert!(
                        at >= self.delivered,
                        "back in time: {at} after {}",
                        self.delivered
                    );
                    self.delivered = at;
                    self.copy.take(delivery);
                }
                Request::Output(output) => self.wanted = Some(output),
                Request::Timer(..) => self.waiting = true,
                Request::Cancel(_) => self.waiting = false,
            }
        }
    }

    /// One exchange with the server.
    fn serve(&mut self, server: &Server, batch: usize, list_at: u64) {
        if std::mem::take(&mut self.waiting) {
            self.input(Input::Retry);
            return;
        }
        match self.wanted.clone() {
            Some(Output::List) => {
                let items = server
                    .at(list_at)
                    .into_iter()
                    .map(|(name, (revision, value))| Item {
                        key: key(name),
                        revision,
                        value,
                    });
                let items = items.collect();
                self.input(Input::Listed {
                    revision: list_at,
                    items,
                });
            }
            Some(Output::Watch { after }) if after < server.compacted => {
                self.input(Input::WatchEnded(WatchEnd::Gone));
            }
            Some(Output::Watch { .. }) => {
                let seen = self.state.revision;
                let next = server
                    .history
                    .iter()
                    .filter(|(at, ..)| *at > seen)
                    .take(batch);
                let events: Vec<_> = next
                    .map(|(at, name, value)| {
                        let item = |value| Item {
                            key: key(*name),
                            revision: *at,
                            value,
                        };
                        match value {
                            Some(value) => Event::Applied(item(*value)),
                            None => Event::Deleted(item(0)),
                        }
                    })
                    .collect();
                self.input(Input::Events(events));
            }
            other => panic!("nothing under way: {other:?}"),
        }
    }
}

proptest! {
    /// Whatever breaks, the copy never goes back in time, and once nothing breaks it equals the server's.
    #[test]
    fn the_copy_converges_and_never_goes_back(happenings in proptest::collection::vec(happening(), 0..60)) {
        let mut server = Server { history: vec![(2, 0, Some(1))], compacted: 0 };
        let machine = Reflector::default();
        let mut out = Out::new();
        let state = machine.start(None, Now(0), &mut out);
        let mut running = Running { machine, state, copy: Store::default(), wanted: None, waiting: false, delivered: 0 };
        running.asked(&mut out);
        for happening in happenings {
            match happening {
                Happening::Write(name, value) => {
                    let exists = server.at(u64::MAX).contains_key(&name);
                    if value.is_some() || exists {
                        server.history.push((server.revision() + 1, name, value));
                    }
                }
                Happening::Serve(batch) => {
                    let now = server.revision();
                    running.serve(&server, batch as usize, now);
                }
                Happening::StaleList => {
                    let past = server.revision() / 2;
                    if running.state.phase == Phase::Listing {
                        running.serve(&server, 1, past);
                    }
                }
                Happening::Bookmark => {
                    // A truthful bookmark: everything so far has been delivered.
                    if running.state.phase == Phase::Watching {
                        running.serve(&server, usize::MAX, 0);
                        if running.state.phase == Phase::Watching {
                            running.input(Input::Bookmark(server.revision()));
                        }
                    }
                }
                Happening::Break(end) => {
                    if running.state.phase == Phase::Watching {
                        running.input(Input::WatchEnded(end));
                    }
                }
                Happening::Compact => server.compacted = server.revision(),
            }
        }
        for _ in 0..6 {
            let now = server.revision();
            running.serve(&server, usize::MAX, now);
        }
        let truth: BTreeMap<_, _> = server.at(u64::MAX).into_iter().map(|(n, (_, v))| (key(n), v)).collect();
        let copy: BTreeMap<_, _> = running.copy.iter().map(|(k, v)| (k.clone(), *v)).collect();
        prop_assert_eq!(copy, truth);
    }
}

#[test]
fn a_relist_tells_what_vanished_first() {
    let item = |name, value| Item {
        key: key(name),
        revision: 1,
        value,
    };
    let mut store = Store::default();
    assert!(!store.synced());
    store.take(Delivery::Replace {
        revision: 3,
        items: vec![item(0, 1), item(1, 1), item(2, 1)],
    });
    let deltas = store.take(Delivery::Replace {
        revision: 9,
        items: vec![item(3, 1), item(1, 2), item(2, 1)],
    });
    assert_eq!(
        deltas,
        vec![
            Delta::Removed(key(0), 1),
            Delta::Added(key(3), 1),
            Delta::Changed(key(1), 1, 2),
        ]
    );
    assert_eq!(
        (store.len(), store.revision(), store.synced()),
        (3, 9, true)
    );
}
