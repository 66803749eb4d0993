//! One round over one ReplicaSet: `syncReplicaSet`.

use bincode::{Decode, Encode};

use crate::machines::controller::{Answer, Ask, Context, Next, Reconcile, Wakes};
use crate::machines::reflector::Delivery;
use crate::machines::replicaset::state::{Claim, Session, Stage, View};
use crate::machines::replicaset::view::{ReplicaSetView, Seen};
use crate::machines::replicaset::{claim, manage, observe, status};
use crate::messages::api::{ApiRequest, Verb};
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::kinds;
use crate::objects::meta;
use crate::objects::object::Object;
use crate::objects::status::Reason;

/// The wait after a connection broke under a creation or deletion, in milliseconds.
const LOST_WAIT_MS: u64 = 1_000;

/// The ReplicaSet controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ReplicaSets;

impl Reconcile for ReplicaSets {
    type Seen = Seen;
    type View = View;
    type Session = Session;

    const NAME: &'static str = "replicaset";

    fn resources(&self) -> Vec<GroupResource> {
        vec![kinds::pods(), kinds::replicasets()]
    }

    fn read(&self, object: &Object) -> Result<Seen, serde_json::Error> {
        if object.key.resource == kinds::pods() {
            Ok(Seen::Pod(object.view()?))
        } else {
            Ok(Seen::ReplicaSet(object.view()?))
        }
    }

    fn absent(&self, resource: &GroupResource) -> Seen {
        if *resource == kinds::pods() {
            Seen::Pod(Box::default())
        } else {
            Seen::ReplicaSet(Box::default())
        }
    }

    fn observe(
        &self,
        view: &mut View,
        resource: &GroupResource,
        delivery: Delivery<Seen>,
        wakes: &mut Wakes<'_>,
    ) {
        observe::observe(view, resource, delivery, wakes);
    }

    fn reconcile(
        &self,
        view: &View,
        key: &ObjectKey,
        session: &mut Session,
        context: &mut Context<'_>,
    ) -> Next {
        // Gone: its pods are the garbage collector's. Another of the same name: a round of its own.
        let Some(set) = view.sets.get(key) else {
            context.expectations.forget(key);
            return Next::Finished;
        };
        if session.uid.is_empty() {
            session.uid = set.metadata.uid.clone();
        } else if session.uid != set.metadata.uid {
            return Next::Again(0);
        }
        loop {
            match session.stage.clone() {
                Stage::Fresh => {
                    if claim::wants_to_adopt(view, key, set) {
                        session.stage = Stage::Rechecking;
                        return Next::Ask(vec![Ask::bare(ApiRequest::object(Verb::Get, key))]);
                    }
                    let (claims, asks) = claim::claims(view, key, set, false);
                    session.stage = Stage::Claiming(claims);
                    if !asks.is_empty() {
                        return Next::Ask(asks);
                    }
                }
                // The live read failed, or showed that the set may not adopt.
                Stage::Rechecking => return Next::Failed(error(session)),
                Stage::MayAdopt => {
                    let (claims, asks) = claim::claims(view, key, set, true);
                    session.stage = Stage::Claiming(claims);
                    if !asks.is_empty() {
                        return Next::Ask(asks);
                    }
                }
                Stage::Claiming(_) if session.error.is_some() => {
                    return Next::Failed(error(session));
                }
                Stage::Claiming(_) => session.stage = Stage::Claimed,
                Stage::Claimed => {
                    if let Some(next) = manage(view, key, set, session, context) {
                        return next;
                    }
                }
                Stage::Creating { .. } => match manage::next_batch(key, set, session, context) {
                    Some(asks) => return Next::Ask(asks),
                    None => session.stage = Stage::Managed,
                },
                Stage::Deleting(_) => session.stage = Stage::Managed,
                Stage::Managed => {
                    session.stage = Stage::Reporting;
                    if let Some(ask) = status::report(key, set, session, context.now) {
                        return Next::Ask(vec![ask]);
                    }
                }
                Stage::Reporting => return finish(view, key, set, session, context),
            }
        }
    }

    fn answered(
        &self,
        key: &ObjectKey,
        session: &mut Session,
        index: u32,
        answer: Answer,
        context: &mut Context<'_>,
    ) {
        match session.stage.clone() {
            Stage::Rechecking => rechecked(session, answer),
            Stage::Claiming(claims) => {
                if let Some(claim) = claims.into_iter().nth(index as usize) {
                    claimed(session, claim, answer);
                }
            }
            Stage::Creating { .. } => manage::created(key, session, answer, context),
            Stage::Deleting(victims) => {
                if let Some(victim) = victims.into_iter().nth(index as usize) {
                    manage::deleted(key, victim, session, answer, context);
                }
            }
            Stage::Reporting => match answer {
                Answer::Done(..) => {}
                // Gone, or another set of the same name: no one waits for this status.
                Answer::Failed(status)
                    if matches!(status.reason, Reason::NotFound | Reason::Conflict) => {}
                Answer::Failed(status) => note(session, status.message),
                Answer::Lost => note(
                    session,
                    "the connection broke while the status was written".to_owned(),
                ),
            },
            Stage::Fresh | Stage::MayAdopt | Stage::Claimed | Stage::Managed => {}
        }
    }
}

/// Creates or deletes, unless the view is known to be behind; `None` if nothing is to be asked.
fn manage(
    view: &View,
    key: &ObjectKey,
    set: &ReplicaSetView,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Option<Next> {
    let pods = claim::claimed(view, key, set, session);
    session.counted = Some(status::count(set, &pods, context.now));
    session.stage = Stage::Managed;
    // Never from a stale view: kubernetes 21810, 129795.
    if set.metadata.deleting() || !context.expectations.satisfied(key) {
        return None;
    }
    let asks = manage::begin(view, key, set, pods, session, context);
    (!asks.is_empty()).then_some(Next::Ask(asks))
}

/// `RecheckDeletionTimestamp`: a live read must show the same set, not being deleted.
fn rechecked(session: &mut Session, answer: Answer) {
    let why = match answer {
        Answer::Done(_, objects) => match objects.first().map(|set| meta::read(&set.body)) {
            Some(Ok(live)) if live.uid != session.uid => "the set is another one by now",
            Some(Ok(live)) if live.deleting() => "the set has just been deleted",
            Some(Ok(_)) => {
                session.stage = Stage::MayAdopt;
                return;
            }
            _ => "the live read of the set showed no set",
        },
        Answer::Failed(status) => return note(session, status.message),
        Answer::Lost => "the connection broke while the set was read",
    };
    note(session, format!("can't adopt pods: {why}"));
}

fn claimed(session: &mut Session, claim: Claim, answer: Answer) {
    let why = match answer {
        Answer::Done(..) => {
            match claim {
                Claim::Adopt(uid) => session.adopted.insert(uid),
                Claim::Release(uid) => session.released.insert(uid),
            };
            return;
        }
        Answer::Failed(status) => match (claim, status.reason) {
            // The pod is gone: nothing to adopt, nothing to release.
            (Claim::Adopt(_), Reason::NotFound) => return,
            (Claim::Release(uid), Reason::NotFound) => {
                session.released.insert(uid);
                return;
            }
            _ => status.message,
        },
        Answer::Lost => "the connection broke while a pod was claimed".to_owned(),
    };
    note(session, why);
}

fn note(session: &mut Session, why: String) {
    session.error.get_or_insert(why);
}

fn error(session: &Session) -> String {
    session.error.clone().unwrap_or_default()
}

fn finish(
    view: &View,
    key: &ObjectKey,
    set: &ReplicaSetView,
    session: &Session,
    context: &Context<'_>,
) -> Next {
    // What got lost may have been done: the resumed watch has a second to show it before the next round.
    if session.lost {
        return Next::Again(LOST_WAIT_MS);
    }
    if let Some(why) = &session.error {
        return Next::Failed(why.clone());
    }
    let pods = claim::claimed(view, key, set, session);
    match manage::available_in(set, &pods, context.now) {
        Some(wait) => Next::Again(wait),
        None => Next::Finished,
    }
}
