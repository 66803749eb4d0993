//! What observations say of a promise.

use std::fmt;

use serde::Serialize;

/// Something that is promised, and judged by what was observed.
pub trait Promised: Copy + Serialize {
    /// What it says, in a line.
    fn says(self) -> &'static str;

    /// Who promises it: the number of a guarantee, or a suite.
    fn source(self) -> String;
}

/// What the observations say of a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<P, B = Breach> {
    /// Which promise.
    pub promise: P,
    /// What was found of it.
    pub found: Found<B>,
}

impl<P, B> Verdict<P, B> {
    /// How it reads.
    pub fn outcome(&self) -> Outcome {
        match (self.found.breaches.is_empty(), self.found.instances) {
            (false, _) => Outcome::Broken,
            (true, 0) => Outcome::Inconclusive,
            (true, _) => Outcome::Kept,
        }
    }
}

/// How a verdict reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It held wherever it could have been seen not to.
    Kept,
    /// It was broken.
    Broken,
    /// Nothing was observed that could have shown it broken.
    Inconclusive,
}

/// What was found of a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<B = Breach> {
    /// How many observations could have shown it broken.
    pub instances: u64,
    /// Those that did.
    pub breaches: Vec<B>,
}

impl<B> Default for Found<B> {
    fn default() -> Self {
        Found {
            instances: 0,
            breaches: Vec::new(),
        }
    }
}

impl<B> Found<B> {
    /// One more observation that could have shown the promise broken.
    pub(super) fn look(&mut self, kept: bool, breach: impl FnOnce() -> B) {
        self.instances += 1;
        if !kept {
            self.breaches.push(breach());
        }
    }
}

/// Where a promise was broken: who saw what, at which revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Who: `watch 3 of client 7`, `list 2 of client 1`.
    pub who: String,
    /// At which revision.
    pub revision: u64,
    /// What was seen, and what was due.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Breach {
            who,
            revision,
            what,
        } = self;
        write!(f, "{who} at revision {revision}: {what}")
    }
}
