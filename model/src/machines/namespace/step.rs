//! One round over one namespace.

use serde_json::json;

use bincode::{Decode, Encode};

use crate::machines::controller::{Answer, Ask, Context, Next, Reconcile, Wakes};
use crate::machines::namespace::view::NamespaceView;
use crate::machines::reflector::{Delivery, Delta, Store};
use crate::messages::api::{ApiRequest, DeleteOptions, ListOptions, Propagation, Selection, Verb};
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::kinds::{self, KINDS};
use crate::objects::object::Object;
use crate::objects::status::Reason;

/// The finalizer in `spec.finalizers` that this controller takes away.
const KUBERNETES: &str = "kubernetes";

/// The wait before what is left is looked at again, in milliseconds.
const AGAIN_MS: u64 = 500;

/// The namespace controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Namespaces;

/// Every namespace.
pub type View = Store<NamespaceView>;

/// How far a round is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    #[default]
    Fresh,
    Deleting,
    Listing,
    Finalizing,
}

/// What the controller remembers of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    stage: Stage,
    left: usize,
    error: Option<String>,
}

impl Reconcile for Namespaces {
    type Seen = NamespaceView;
    type View = View;
    type Session = Session;

    const NAME: &'static str = "namespace";

    fn resources(&self) -> Vec<GroupResource> {
        vec![kinds::namespaces()]
    }

    fn read(&self, object: &Object) -> Result<NamespaceView, serde_json::Error> {
        object.view()
    }

    fn absent(&self, _: &GroupResource) -> NamespaceView {
        NamespaceView::default()
    }

    fn observe(
        &self,
        view: &mut View,
        _: &GroupResource,
        delivery: Delivery<NamespaceView>,
        wakes: &mut Wakes<'_>,
    ) {
        for delta in view.take(delivery) {
            if let Delta::Added(key, namespace) | Delta::Changed(key, _, namespace) = delta
                && namespace.deleting
            {
                wakes.wake(&key);
            }
        }
    }

    fn reconcile(
        &self,
        view: &View,
        key: &ObjectKey,
        session: &mut Session,
        _context: &mut Context<'_>,
    ) -> Next {
        let Some(namespace) = view.get(key).filter(|it| it.deleting) else {
            return Next::Finished;
        };
        if !namespace.finalizers.iter().any(|it| it == KUBERNETES) {
            return Next::Finished;
        }
        if let Some(why) = &session.error {
            return Next::Failed(why.clone());
        }
        match session.stage {
            Stage::Fresh => {
                session.stage = Stage::Deleting;
                let options = DeleteOptions {
                    propagation: Some(Propagation::Background),
                    ..DeleteOptions::default()
                };
                let verb = Verb::DeleteCollection(options, Selection::default());
                Next::Ask(for_each_kind(key, &verb))
            }
            Stage::Deleting => {
                session.stage = Stage::Listing;
                // One that is left is enough to know that the namespace is not empty.
                let one = ListOptions {
                    limit: 1,
                    ..ListOptions::default()
                };
                Next::Ask(for_each_kind(key, &Verb::List(one)))
            }
            Stage::Listing if session.left > 0 => Next::Again(AGAIN_MS),
            Stage::Listing => {
                session.stage = Stage::Finalizing;
                Next::Ask(vec![finalize(key, namespace)])
            }
            Stage::Finalizing => Next::Finished,
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
        match answer {
            Answer::Done(_, objects) if session.stage == Stage::Listing => {
                session.left += objects.len()
            }
            Answer::Done(..) => {}
            // Gone already, or gone while it was deleted; only a list may say that nothing is left.
            Answer::Failed(status)
                if status.reason == Reason::NotFound && session.stage != Stage::Listing => {}
            Answer::Failed(status) => {
                session.error.get_or_insert(status.message);
            }
            Answer::Lost => {
                session
                    .error
                    .get_or_insert("the connection broke".to_owned());
            }
        }
    }
}

/// One request for every namespaced kind.
fn for_each_kind(namespace: &ObjectKey, verb: &Verb) -> Vec<Ask> {
    KINDS
        .iter()
        .filter(|kind| kind.namespaced)
        .map(|kind| {
            Ask::bare(ApiRequest::collection(
                verb.clone(),
                &kind.resource(),
                &namespace.name,
            ))
        })
        .collect()
}

fn finalize(key: &ObjectKey, namespace: &NamespaceView) -> Ask {
    let finalizers: Vec<_> = namespace
        .finalizers
        .iter()
        .filter(|it| *it != KUBERNETES)
        .collect();
    let body = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": key.name,
            "uid": namespace.uid,
            "resourceVersion": namespace.resource_version,
        },
        "spec": { "finalizers": finalizers },
    });
    Ask::json(
        ApiRequest::object(Verb::Update, key).subresource("finalize"),
        &body,
    )
}
