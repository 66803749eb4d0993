//! What a reflector may do: the client's side of the watch specification, in the words that it reports.

use std::collections::BTreeSet;

use model::actions::reflector::ReflectorAction;
use model::objects::key::ObjectKey;

use crate::specification::{Refused, Specification, guard};

/// The specification of one reflector, from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reflector;

/// What a reflector has told of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What it is doing.
    pub phase: Phase,
    /// Every event up to this revision has been seen; 0 before the first list.
    pub seen: u64,
    /// The objects of which an event at that revision has been applied.
    pub at_last: BTreeSet<ObjectKey>,
}

/// What a reflector is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A list is under way.
    Listing,
    /// A list has come; the watch is next.
    Listed,
    /// A watch is under way.
    Watching,
    /// Nothing is under way.
    Idle,
}

impl Specification for Reflector {
    type State = State;
    type Action = ReflectorAction;

    fn begin(&self) -> State {
        State {
            phase: Phase::Listing,
            seen: 0,
            at_last: BTreeSet::new(),
        }
    }

    fn apply(&self, state: &mut State, action: &ReflectorAction) -> Result<(), Refused> {
        check(state, action)?;
        take(state, action);
        Ok(())
    }
}

/// Whether a reflector may do something.
///
/// # Errors
/// The guard that forbids it.
pub fn check(state: &State, action: &ReflectorAction) -> Result<(), Refused> {
    use ReflectorAction as Action;
    let seen = state.seen;
    let under_way = |phase| {
        guard(
            state.phase == phase,
            "an answer belongs to what is under way",
            || format!("{action:?} while {:?}", state.phase),
        )
    };
    let not_back = |revision: u64| {
        guard(revision >= seen, "a client never goes back in time", || {
            format!("{action:?} after {seen}")
        })
    };
    match action {
        Action::Listing => guard(state.phase == Phase::Idle, "one request at a time", || {
            format!("a list while {:?}", state.phase)
        }),
        Action::Replaced { revision, .. } => {
            under_way(Phase::Listing)?;
            not_back(*revision)
        }
        Action::StaleList {
            revision,
            seen: against,
        } => {
            under_way(Phase::Listing)?;
            let detail = || format!("{action:?} at {seen}");
            guard(
                *revision < seen,
                "only a list from the past is refused",
                detail,
            )?;
            guard(
                *against == seen,
                "a list is held against what was seen",
                detail,
            )
        }
        Action::Watching { after } => {
            guard(
                matches!(state.phase, Phase::Idle | Phase::Listed),
                "one request at a time",
                || format!("a watch while {:?}", state.phase),
            )?;
            guard(
                *after == seen,
                "a watch goes on where the client is",
                || format!("after {after} at {seen}"),
            )
        }
        Action::Applied { key, revision } | Action::Deleted { key, revision } => {
            under_way(Phase::Watching)?;
            not_back(*revision)?;
            guard(
                *revision > seen || !state.at_last.contains(key),
                "no event is applied twice",
                || format!("{action:?}"),
            )
        }
        Action::Advanced { revision } => {
            under_way(Phase::Watching)?;
            not_back(*revision)
        }
        Action::Repeated { revision, .. } => {
            under_way(Phase::Watching)?;
            guard(*revision <= seen, "only what was seen is dropped", || {
                format!("{action:?} at {seen}")
            })
        }
        Action::Interrupted => guard(
            matches!(state.phase, Phase::Listing | Phase::Watching),
            "only what is under way ends",
            || format!("an end while {:?}", state.phase),
        ),
    }
}

/// Lets a reflector do something that [`check`] allows.
pub fn take(state: &mut State, action: &ReflectorAction) {
    use ReflectorAction as Action;
    match action {
        Action::Listing => state.phase = Phase::Listing,
        Action::Replaced { revision, .. } => {
            state.phase = Phase::Listed;
            state.seen = *revision;
            state.at_last.clear();
        }
        Action::StaleList { .. } | Action::Interrupted => state.phase = Phase::Idle,
        Action::Watching { .. } => {
            state.phase = Phase::Watching;
            state.at_last.clear();
        }
        Action::Applied { key, revision } | Action::Deleted { key, revision } => {
            if *revision > state.seen {
                state.at_last.clear();
            }
            state.seen = *revision;
            state.at_last.insert(key.clone());
        }
        Action::Advanced { revision } => {
            state.seen = *revision;
            state.at_last.clear();
        }
        Action::Repeated { .. } => {}
    }
}
