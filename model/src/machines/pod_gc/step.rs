//! One look at one node that is missed.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};

use crate::machines::controller::{Answer, Ask, Context, Next, Reconcile, Wakes};
use crate::machines::pod_gc::view::{QUARANTINE_MS, Seen, View};
use crate::machines::reflector::Delivery;
use crate::messages::api::{ApiRequest, DeleteOptions, Verb};
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::kinds;
use crate::objects::object::Object;
use crate::objects::status::Reason;

/// The controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct PodGc;

/// How far a look is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    #[default]
    Fresh,
    /// Whether the node is there is asked.
    Reading,
    /// It is not.
    Missed,
    /// Its pods are being marked as deleted.
    Marking,
    /// Whether the node is there is asked again.
    ReadingAgain,
    /// It still is not.
    Gone,
    /// Its pods are being removed.
    Removing,
}

/// What the controller remembers of one look.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    stage: Stage,
    /// The pods whose graceful deletion was asked for, by key and UID.
    marked: BTreeSet<(ObjectKey, String)>,
    error: Option<String>,
}

impl Reconcile for PodGc {
    type Seen = Seen;
    type View = View;
    type Session = Session;

    const NAME: &'static str = "pod_gc";

    fn resources(&self) -> Vec<GroupResource> {
        vec![kinds::pods(), kinds::nodes()]
    }

    fn read(&self, object: &Object) -> Result<Seen, serde_json::Error> {
        object.view()
    }

    fn absent(&self, _: &GroupResource) -> Seen {
        Seen::default()
    }

    fn observe(
        &self,
        view: &mut View,
        resource: &GroupResource,
        delivery: Delivery<Seen>,
        wakes: &mut Wakes<'_>,
    ) {
        view.take(resource, delivery, wakes);
    }

    fn reconcile(
        &self,
        view: &View,
        key: &ObjectKey,
        session: &mut Session,
        _context: &mut Context<'_>,
    ) -> Next {
        if let Some(why) = &session.error {
            return Next::Failed(why.clone());
        }
        if view.has_node(&key.name) {
            return Next::Finished;
        }
        let (next, asks) = match session.stage {
            Stage::Fresh => (Stage::Reading, vec![read(key)]),
            // It is there: the view will show it.
            Stage::Reading | Stage::ReadingAgain => return Next::Finished,
            Stage::Missed => {
                let pods = view.pods_on(&key.name);
                session.marked = pods
                    .map(|(pod, uid)| (pod.clone(), uid.to_owned()))
                    .collect();
                (Stage::Marking, deletes(&session.marked, None))
            }
            // A node that registers from here on finds its pods being deleted, and starts nothing of them.
            Stage::Marking => (Stage::ReadingAgain, vec![read(key)]),
            // At once: nobody is left whose grace would be of use.
            Stage::Gone => (Stage::Removing, deletes(&session.marked, Some(0))),
            Stage::Removing => {
                let marked = |(pod, uid): (&ObjectKey, &str)| {
                    session.marked.contains(&(pod.clone(), uid.to_owned()))
                };
                // What a scheduler has bound there since is looked at like the others.
                return if view.pods_on(&key.name).all(marked) {
                    Next::Finished
                } else {
                    Next::Again(QUARANTINE_MS)
                };
            }
        };
        session.stage = next;
        Next::Ask(asks)
    }

    fn answered(
        &self,
        _key: &ObjectKey,
        session: &mut Session,
        _index: u32,
        answer: Answer,
        _context: &mut Context<'_>,
    ) {
        let why = match answer {
            Answer::Done(..) => return,
            Answer::Failed(status) => match (session.stage, status.reason) {
                (Stage::Reading, Reason::NotFound) => {
                    session.stage = Stage::Missed;
                    return;
                }
                (Stage::ReadingAgain, Reason::NotFound) => {
                    session.stage = Stage::Gone;
                    return;
                }
                // Gone, or another pod of the same name by now.
                (Stage::Marking | Stage::Removing, Reason::NotFound | Reason::Conflict) => return,
                _ => status.message,
            },
            Answer::Lost => "the connection broke".to_owned(),
        };
        session.error.get_or_insert(why);
    }
}

fn read(node: &ObjectKey) -> Ask {
    Ask::bare(ApiRequest::object(Verb::Get, node))
}

/// The deletions of pods with this grace; `None` for each pod's own.
fn deletes(pods: &BTreeSet<(ObjectKey, String)>, grace_period_seconds: Option<i64>) -> Vec<Ask> {
    pods.iter()
        .map(|(pod, uid)| {
            let options = DeleteOptions {
                grace_period_seconds,
                uid: Some(uid.clone()),
                ..DeleteOptions::default()
            };
            Ask::bare(ApiRequest::object(Verb::Delete(options), pod))
        })
        .collect()
}
