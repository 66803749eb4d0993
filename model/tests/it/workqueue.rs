//! The workqueue's scenarios, its transition table, and its promises under arbitrary use.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::rc::Rc;

use model::machines::workqueue::{Added, Backoff, Input, Outcome, Queue, State, Workqueue};
use proptest::prelude::*;

use crate::scenario::{self, Player, Rig};

struct WorkqueuePlayer {
    rig: Rig<Workqueue<String>>,
    transitions: Rc<RefCell<BTreeSet<String>>>,
}

fn phase(state: &State<String>) -> String {
    format!("{} working, {} waiting", state.working(), state.waiting())
}

impl Player for WorkqueuePlayer {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let key = words.get(1).ok_or("a key")?.to_string();
        let number = words.get(2).and_then(|word| word.parse().ok()).unwrap_or(0);
        let input = match words[0] {
            "add" => Input::Add(key),
            "after" => Input::AddAfter(key, number),
            "done" => Input::Done(key, Outcome::Succeeded),
            "failed" => Input::Done(key, Outcome::Failed),
            "again" => Input::Done(key, Outcome::Again(number)),
            "fire" => {
                let timer = format!("{}({:?})", words[1], words[2]);
                let answer = self.rig.fire(phase, &timer);
                self.transitions.borrow_mut().extend(self.rig.transitions());
                return answer;
            }
            other => return Err(format!("unknown command {other}")),
        };
        let answer = self.rig.step(phase, input);
        self.transitions.borrow_mut().extend(self.rig.transitions());
        Ok(answer)
    }
}

#[test]
fn scenarios_and_transitions() {
    let transitions = Rc::new(RefCell::new(BTreeSet::new()));
    let machine = || Workqueue {
        workers: 1,
        backoff: Backoff::default(),
        key: PhantomData,
    };
    scenario::play_all("workqueue", || WorkqueuePlayer {
        rig: Rig::new(machine()).0,
        transitions: transitions.clone(),
    });
    let rows: Vec<String> = transitions.borrow().iter().cloned().collect();
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn back_off_grows_to_its_cap() {
    let backoff = Backoff {
        first_ms: 5,
        cap_ms: 1000,
    };
    let mut queue = Queue::default();
    let waits: Vec<u64> = (0..10).map(|_| queue.failed(&"a", &backoff)).collect();
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    queue.forget(&"a");
    assert_eq!(queue.failed(&"a", &backoff), 5);
}

#[derive(Clone, Debug)]
enum Use {
    Add(u8),
    Take,
    Done(u8),
}

proptest! {
    /// One worker a key, at most one wait a key, no lost wake-up: every add is followed by a later begin.
    #[test]
    fn promises(uses in proptest::collection::vec(
        prop_oneof![(0u8..4).prop_map(Use::Add), Just(Use::Take), (0u8..4).prop_map(Use::Done)], 0..80,
    )) {
        let mut queue = Queue::default();
        let mut owed: BTreeMap<u8, bool> = BTreeMap::new();
        let mut working = BTreeSet::new();
        for used in uses {
            match used {
                Use::Add(key) => {
                    let added = queue.add(key);
                    let was_owed = owed.insert(key, true).unwrap_or(false);
                    prop_assert_eq!(added == Added::Already, was_owed);
                }
                Use::Take => {
                    if let Some(key) = queue.take() {
                        prop_assert!(working.insert(key), "two workers have {}", key);
                        prop_assert_eq!(owed.insert(key, false), Some(true), "taken without an add");
                    }
                }
                Use::Done(key) => {
                    let again = queue.done(&key);
                    let was = working.remove(&key);
                    prop_assert_eq!(again, was && owed.get(&key).copied().unwrap_or(false));
                }
            }
            prop_assert_eq!(queue.working(), working.len());
        }
        // Once the workers are done, everything owed comes.
        for key in std::mem::take(&mut working) {
            queue.done(&key);
        }
        let mut came = BTreeSet::new();
        while let Some(key) = queue.take() {
            prop_assert!(came.insert(key));
        }
        let owed: BTreeSet<u8> = owed.into_iter().filter(|(_, owed)| *owed).map(|(key, _)| key).collect();
        prop_assert_eq!(came, owed);
    }
}
