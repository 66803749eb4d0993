//! Whether guards matter: which were asked and what they said, and what happens where one of them forbids nothing.
//!
//! A specification does not know of this. It is for the tests that weaken it guard by guard, and is told by
//! [`guard`](crate::specification::guard) and [`present`](crate::specification::present) themselves, per thread; a program
//! that does not ask pays a look at a flag.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::Location;

/// Where a guard stands: a name may stand in several places, and each of them has to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its source, as the compiler was told it.
    pub file: &'static str,
    /// The line in which it begins, from 1.
    pub line: u32,
    /// Its name.
    pub guard: &'static str,
}

impl Place {
    pub(crate) fn new(guard: &'static str, at: &'static Location<'static>) -> Self {
        Place {
            file: at.file(),
            line: at.line(),
            guard,
        }
    }
}

/// How often a guard was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// How often it allowed what was asked.
    pub allowed: u64,
    /// How often it refused.
    pub refused: u64,
}

/// What was seen of guards while something ran.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Those that were asked.
    pub asked: BTreeMap<Place, Asked>,
    /// The last one that refused, if any did; the one that was left out did not.
    pub refused: Option<Place>,
    without: Option<Place>,
}

thread_local! {
    static WATCHED: RefCell<Option<Watched>> = const { RefCell::new(None) };
    static HEARD: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Runs something in this thread, without a guard if one is named. Answers with what was seen of guards besides.
pub fn watch<T>(without: Option<Place>, run: impl FnOnce() -> T) -> (T, Watched) {
    WATCHED.set(Some(Watched {
        without,
        ..Watched::default()
    }));
    let result = run();
    (result, WATCHED.take().unwrap_or_default())
}

/// A guard was asked. Answers whether what it guards may go on, be it only because the guard is left out.
pub(crate) fn asked(place: Place, holds: bool) -> bool {
    note(place, holds, true)
}

/// A guard was asked that cannot be left out.
pub(crate) fn asked_for(place: Place, there: bool) {
    note(place, there, false);
}

fn note(place: Place, holds: bool, may_be_left_out: bool) -> bool {
    WATCHED.with_borrow_mut(|watched| {
        let Some(watched) = watched else {
            return holds;
        };
        let asked = watched.asked.entry(place).or_default();
        *(if holds {
            &mut asked.allowed
        } else {
            &mut asked.refused
        }) += 1;
        let left_out = may_be_left_out && watched.without == Some(place);
        let goes_on = holds || left_out;
        if !goes_on {
            watched.refused = Some(place);
        }
        goes_on
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
