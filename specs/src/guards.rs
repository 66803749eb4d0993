//! Whether guards matter: which were asked and what they said, and what happens where one of them forbids nothing.
//!
//! A specification does not know of this. It is for the tests that weaken it guard by guard, and is told by
//! [`guard`](crate::specification::guard) itself, per thread; a program that does not ask pays a look at a flag.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How often a guard was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// How often it allowed what was asked.
    pub allowed: u64,
    /// How often it refused.
    pub refused: u64,
}

#[derive(Default)]
struct Watched {
    asked: BTreeMap<&'static str, Asked>,
    without: Option<&'static str>,
}

thread_local! {
    static WATCHED: RefCell<Option<Watched>> = const { RefCell::new(None) };
    static HEARD: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Runs something in this thread, without a guard if one is named. Answers which guards were asked besides.
pub fn watch<T>(
    without: Option<&'static str>,
    run: impl FnOnce() -> T,
) -> (T, BTreeMap<&'static str, Asked>) {
    let asked = BTreeMap::new();
    WATCHED.set(Some(Watched { asked, without }));
    let result = run();
    let watched = WATCHED.take().unwrap_or_default();
    (result, watched.asked)
}

/// A guard was asked. Answers whether what it guards may go on all the same.
pub(crate) fn asked(guard: &'static str, holds: bool) -> bool {
    WATCHED.with_borrow_mut(|watched| {
        let Some(watched) = watched else {
            return holds;
        };
        let asked = watched.asked.entry(guard).or_default();
        *(if holds {
            &mut asked.allowed
        } else {
            &mut asked.refused
        }) += 1;
        holds || watched.without == Some(guard)
    })
}

/// Runs something in this thread. Answers with every action of this kind that acceptors were given meanwhile.
pub fn heard<A: 'static>(run: impl FnOnce()) -> Vec<A> {
    HEARD.set(Some(Box::new(Vec::<A>::new())));
    run();
    let heard = HEARD.take().and_then(|heard| heard.downcast().ok());
    heard.map_or(Vec::new(), |heard| *heard)
}

/// An acceptor was given an action.
pub(crate) fn hear<A: Clone + 'static>(action: &A) {
    HEARD.with_borrow_mut(|heard| {
        let heard = heard.as_mut().and_then(|heard| heard.downcast_mut());
        if let Some(heard) = heard {
            Vec::<A>::push(heard, action.clone());
        }
    });
}
