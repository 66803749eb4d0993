//! One acceptor for each thing that a specification is about.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Debug, Display};

use specs::specification::{Refused, Specification};

use super::{Rejection, Verdict};
use crate::timeline::Place;

/// How many actions before a rejection are kept to be shown.
const SHOWN: usize = 12;

/// Acceptors by subject.
pub(super) struct Cases<K, S: Specification> {
    name: &'static str,
    specification: S,
    open: BTreeMap<K, Case<S>>,
    subjects: usize,
    actions: u64,
    rejections: Vec<Rejection>,
}

struct Case<S: Specification> {
    state: S::State,
    before: VecDeque<(Place, S::Action)>,
    rejected: bool,
}

impl<K: Ord + Clone + Display, S: Specification> Cases<K, S> {
    pub(super) fn new(name: &'static str, specification: S) -> Self {
        Cases {
            name,
            specification,
            open: BTreeMap::new(),
            subjects: 0,
            actions: 0,
            rejections: Vec::new(),
        }
    }

    /// Gives an action to the acceptor of its subject.
    pub(super) fn accept(&mut self, subject: &K, place: &Place, action: &S::Action) {
        self.actions += 1;
        let case = match self.open.get_mut(subject) {
            Some(case) => case,
            None => {
                self.subjects += 1;
                self.open.entry(subject.clone()).or_insert(Case {
                    state: self.specification.begin(),
                    before: VecDeque::new(),
                    rejected: false,
                })
            }
        };
        // After a rejection nothing is known of what may follow.
        if case.rejected {
            return;
        }
        if let Err(refused) = self.specification.apply(&mut case.state, action) {
            case.rejected = true;
            let rejection = rejection(subject, Some(place), action, refused, case);
            self.rejections.push(rejection);
            return;
        }
        if case.before.len() == SHOWN {
            case.before.pop_front();
        }
        case.before.push_back((place.clone(), action.clone()));
    }

    /// The specification's name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Where they were left so far.
    pub(super) fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// What they say in the end.
    pub(super) fn verdict(self) -> Verdict {
        Verdict {
            specification: self.name,
            subjects: self.subjects,
            actions: self.actions,
            rejections: self.rejections,
        }
    }
}

fn rejection<K: Display, S: Specification>(
    subject: &K,
    place: Option<&Place>,
    action: &impl Debug,
    refused: Refused,
    case: &Case<S>,
) -> Rejection {
    let told = |(place, action): &(Place, S::Action)| format!("{place}: {action:?}");
    Rejection {
        subject: subject.to_string(),
        place: place.cloned(),
        action: format!("{action:?}"),
        guard: refused.guard,
        detail: refused.detail,
        before: case.before.iter().map(told).collect(),
        state: format!("{:?}", case.state),
    }
}
