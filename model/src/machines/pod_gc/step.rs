//! One look at one node that is missed.

use crate::machines::controller::{Answer, Ask, Context, Next, Reconcile, Wakes};
use crate::machines::pod_gc::view::{Seen, View};
use crate::machines::reflector::Delivery;
use crate::messages::api::{ApiRequest, DeleteOptions, Verb};
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::kinds;
use crate::objects::object::Object;
use crate::objects::status::Reason;

/// The controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodGc;

/// How far a look is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    #[default]
    Fresh,
    Reading,
    Gone,
    Deleting,
}

/// What the controller remembers of one look.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    stage: Stage,
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
        match session.stage {
            Stage::Fresh => {
                session.stage = Stage::Reading;
                Next::Ask(vec![Ask::bare(ApiRequest::object(Verb::Get, key))])
            }
            // It is there: the view will show it.
            Stage::Reading | Stage::Deleting => Next::Finished,
            Stage::Gone => {
                session.stage = Stage::Deleting;
                Next::Ask(
                    view.pods_on(&key.name)
                        .map(|(pod, uid)| delete(pod, uid))
                        .collect(),
                )
            }
        }
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
                    session.stage = Stage::Gone;
                    return;
                }
                // Gone, or another pod of the same name by now.
                (Stage::Deleting, Reason::NotFound | Reason::Conflict) => return,
                _ => status.message,
            },
            Answer::Lost => "the connection broke".to_owned(),
        };
        session.error.get_or_insert(why);
    }
}

/// At once: nobody is left whose grace would be of use.
fn delete(pod: &ObjectKey, uid: &str) -> Ask {
    let options = DeleteOptions {
        grace_period_seconds: Some(0),
        uid: Some(uid.to_owned()),
        ..DeleteOptions::default()
    };
    Ask::bare(ApiRequest::object(Verb::Delete(options), pod))
}
