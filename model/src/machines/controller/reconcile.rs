//! What a controller proper has to say.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use crate::machine::Now;
use crate::machines::controller::expectations::Expectations;
use crate::machines::controller::input::Answer;
use crate::machines::controller::output::{Ask, Event};
use crate::machines::reflector::Delivery;
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::object::Object;

/// What is to be done next for a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// Ask for all of these; then reconcile again, with their answers. Not empty.
    Ask(Vec<Ask>),
    /// Nothing: all is as it should be, or someone else's turn.
    Finished,
    /// Nothing now, but look again in so many milliseconds.
    Again(u64),
    /// It did not work, and why; look again after the back-off.
    Failed(String),
}

/// What a controller may look at and note down while it reconciles a key.
pub struct Context<'a> {
    /// Wall-clock time, for stamps and for what is measured against stamps of others.
    pub now: Now,
    /// What was caused and not yet seen.
    pub expectations: &'a mut Expectations,
    /// Events to record.
    pub events: &'a mut Vec<Event>,
}

/// The keys that a change wakes, and the expectations that it meets.
pub struct Wakes<'a> {
    /// Keys to look at.
    pub keys: BTreeSet<ObjectKey>,
    /// Keys to look at in so many milliseconds.
    pub later: Vec<(ObjectKey, u64)>,
    /// What was caused and not yet seen.
    pub expectations: &'a mut Expectations,
}

impl Wakes<'_> {
    /// Has a key looked at in so many milliseconds.
    pub fn wake_after(&mut self, key: &ObjectKey, after_ms: u64) {
        self.later.push((key.clone(), after_ms));
    }

    /// Has a key looked at.
    pub fn wake(&mut self, key: &ObjectKey) {
        if !self.keys.contains(key) {
            self.keys.insert(key.clone());
        }
    }
}

/// A controller without its machinery.
pub trait Reconcile: Clone + Debug + Eq + Hash {
    /// What it reads of an object.
    type Seen: Clone + Debug + Eq + Hash;
    /// All that it sees, with its indexes.
    type View: Clone + Debug + Default + Eq + Hash;
    /// What it remembers of one round of work on a key, from one batch of answers to the next.
    type Session: Clone + Debug + Default + Eq + Hash;

    /// Its name: of its machine in traces, and of who speaks in its events.
    const NAME: &'static str;

    /// The resources it looks at. It works on nothing before each has been listed once.
    fn resources(&self) -> Vec<GroupResource>;

    /// Parses what it reads of an object. One that does not parse is treated as absent.
    fn read(&self, object: &Object) -> Result<Self::Seen, serde_json::Error>;

    /// What stands for an object of a resource whose last state does not parse.
    fn absent(&self, resource: &GroupResource) -> Self::Seen;

    /// Takes a change into the view, and tells which keys it wakes.
    fn observe(
        &self,
        view: &mut Self::View,
        resource: &GroupResource,
        delivery: Delivery<Self::Seen>,
        wakes: &mut Wakes<'_>,
    );

    /// Decides what is next for a key. The session is fresh at the beginning of a round.
    fn reconcile(
        &self,
        view: &Self::View,
        key: &ObjectKey,
        session: &mut Self::Session,
        context: &mut Context<'_>,
    ) -> Next;

    /// Takes note of an answer. When the last of a batch has come, [`reconcile`](Self::reconcile) goes on.
    fn answered(
        &self,
        key: &ObjectKey,
        session: &mut Self::Session,
        index: u32,
        answer: Answer,
        context: &mut Context<'_>,
    );
}
