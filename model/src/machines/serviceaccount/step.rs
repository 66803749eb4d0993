//! One round over one namespace.

use serde_json::json;

use bincode::{Decode, Encode};

use crate::machines::controller::{Answer, Ask, Context, Next, Reconcile, Wakes};
use crate::machines::namespace::NamespaceView;
use crate::machines::reflector::{Delivery, Delta, Store};
use crate::messages::api::{ApiRequest, Verb};
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::kinds;
use crate::objects::object::Object;
use crate::objects::status::Reason;

/// The name that every namespace has an account of.
const DEFAULT: &str = "default";

/// The service account controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ServiceAccounts;

/// Namespaces and service accounts. Of an account only its key counts; it is read with the same view, whose
/// further fields it leaves empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct View {
    namespaces: Store<NamespaceView>,
    accounts: Store<NamespaceView>,
}

/// What the controller remembers of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    asked: bool,
    error: Option<String>,
}

impl Reconcile for ServiceAccounts {
    type Seen = NamespaceView;
    type View = View;
    type Session = Session;

    const NAME: &'static str = "serviceaccount";

    fn resources(&self) -> Vec<GroupResource> {
        vec![kinds::namespaces(), kinds::serviceaccounts()]
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
        resource: &GroupResource,
        delivery: Delivery<NamespaceView>,
        wakes: &mut Wakes<'_>,
    ) {
        if *resource == kinds::namespaces() {
            for delta in view.namespaces.take(delivery) {
                if let Delta::Added(key, _) | Delta::Changed(key, ..) = delta {
                    wakes.wake(&key);
                }
            }
        } else {
            for delta in view.accounts.take(delivery) {
                if let Delta::Removed(key, _) = delta
                    && key.name == DEFAULT
                {
                    wakes.wake(&ObjectKey::new(kinds::namespaces(), "", &key.namespace));
                }
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
        if let Some(why) = &session.error {
            return Next::Failed(why.clone());
        }
        let account = ObjectKey::new(kinds::serviceaccounts(), &key.name, DEFAULT);
        let wanted = view.namespaces.get(key).is_some_and(|it| !it.deleting);
        if session.asked || !wanted || view.accounts.get(&account).is_some() {
            return Next::Finished;
        }
        session.asked = true;
        let body = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": { "name": DEFAULT, "namespace": key.name },
        });
        let request = ApiRequest::collection(Verb::Create, &kinds::serviceaccounts(), &key.name);
        Next::Ask(vec![Ask::json(request, &body)])
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
            Answer::Failed(status) => {
                let ending =
                    |it: &crate::objects::status::Cause| it.reason == "NamespaceTerminating";
                let settled = matches!(status.reason, Reason::AlreadyExists | Reason::NotFound);
                if settled || status.details.causes.iter().any(ending) {
                    return;
                }
                status.message
            }
            Answer::Lost => "the connection broke".to_owned(),
        };
        session.error.get_or_insert(why);
    }
}
