//! One look at one object.

use bincode::{Decode, Encode};

use crate::machines::controller::{Answer, Context, Next, Reconcile, Wakes};
use crate::machines::garbage_collector::graph::Graph;
use crate::machines::garbage_collector::state::{Session, Stage, Verdict};
use crate::machines::garbage_collector::view::{FOREGROUND, NodeView, ORPHAN};
use crate::machines::garbage_collector::{decide, owner};
use crate::machines::reflector::Delivery;
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::kinds::{self, KINDS};
use crate::objects::object::Object;
use crate::objects::status::Reason;

/// When an object is looked at again whose owner was read live and is not in the view yet, in milliseconds.
const UNSEEN_MS: u64 = 1_000;

/// The garbage collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct GarbageCollector;

impl Reconcile for GarbageCollector {
    type Seen = NodeView;
    type View = Graph;
    type Session = Session;

    const NAME: &'static str = "garbage_collector";

    fn resources(&self) -> Vec<GroupResource> {
        let all = KINDS.iter().map(|kind| kind.resource());
        all.filter(|resource| *resource != kinds::events())
            .collect()
    }

    fn read(&self, object: &Object) -> Result<NodeView, serde_json::Error> {
        object.view()
    }

    fn absent(&self, _: &GroupResource) -> NodeView {
        NodeView::default()
    }

    fn observe(
        &self,
        graph: &mut Graph,
        resource: &GroupResource,
        delivery: Delivery<NodeView>,
        wakes: &mut Wakes<'_>,
    ) {
        graph.take(resource, delivery, wakes);
    }

    fn reconcile(
        &self,
        graph: &Graph,
        key: &ObjectKey,
        session: &mut Session,
        _context: &mut Context<'_>,
    ) -> Next {
        if let Some(why) = &session.error {
            return Next::Failed(why.clone());
        }
        let Some(node) = graph.get(key) else {
            return Next::Finished;
        };
        let seen = (node.uid.clone(), node.resource_version.clone());
        match &session.stage {
            Stage::Fresh => session.seen = seen,
            // The last write is answered; what it led to wakes whom it concerns.
            Stage::Acting => return Next::Finished,
            _ if session.seen != seen => return Next::Again(0),
            _ => {}
        }
        if node.waits_for_dependents() {
            return foreground(graph, key, node, session);
        }
        if node.leaves_orphans() {
            return orphans(graph, key, node, session);
        }
        if node.deleting {
            return Next::Finished;
        }
        owned(graph, key, node, session)
    }

    fn answered(
        &self,
        _key: &ObjectKey,
        session: &mut Session,
        index: u32,
        answer: Answer,
        _context: &mut Context<'_>,
    ) {
        if let Stage::Verifying(uids) = &session.stage {
            let Some(uid) = uids.get(index as usize).cloned() else {
                return;
            };
            match owner::read(&uid, answer) {
                Ok(verdict) => {
                    session.verdicts.insert(uid, verdict);
                }
                Err(why) => {
                    session.error.get_or_insert(why);
                }
            }
            return;
        }
        match answer {
            Answer::Done(..) => {}
            Answer::Failed(status) if status.reason == Reason::NotFound => {}
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

/// Waits for the dependents that block it; they are woken by themselves.
fn foreground(graph: &Graph, key: &ObjectKey, node: &NodeView, session: &mut Session) -> Next {
    if graph
        .dependents(&node.uid)
        .any(|(_, dependent)| dependent.blocks(&node.uid))
    {
        return Next::Finished;
    }
    session.stage = Stage::Acting;
    Next::Ask(vec![decide::unfinalize(key, node, FOREGROUND)])
}

/// Takes the reference from every dependent, then the finalizer.
fn orphans(graph: &Graph, key: &ObjectKey, node: &NodeView, session: &mut Session) -> Next {
    if session.stage == Stage::Fresh {
        session.stage = Stage::Orphaning;
        let asks: Vec<_> = graph
            .dependents(&node.uid)
            .map(|(dependent, view)| decide::orphan(dependent, view, &node.uid))
            .collect();
        if !asks.is_empty() {
            return Next::Ask(asks);
        }
    }
    session.stage = Stage::Acting;
    Next::Ask(vec![decide::unfinalize(key, node, ORPHAN)])
}

/// Whether anyone still owns it: by the view, and by live reads where the view shows no owner.
fn owned(graph: &Graph, key: &ObjectKey, node: &NodeView, session: &mut Session) -> Next {
    if session.stage == Stage::Fresh {
        let mut asks = Vec::new();
        let mut uids = Vec::new();
        for reference in &node.owners {
            match owner::look(graph, key, reference) {
                Ok(verdict) => {
                    session.verdicts.insert(reference.uid.clone(), verdict);
                }
                Err(ask) => {
                    uids.push(reference.uid.clone());
                    asks.push(*ask);
                }
            }
        }
        session.stage = Stage::Verifying(uids);
        if !asks.is_empty() {
            return Next::Ask(asks);
        }
    }
    if node.owners.is_empty() {
        return Next::Finished;
    }
    // What nobody has told is taken for there.
    let verdict = |uid: &str| session.verdicts.get(uid).copied().unwrap_or(Verdict::Solid);
    let ask = decide::by_owners(graph, key, node, |owner| verdict(&owner.uid));
    let unseen = session.verdicts.values().any(|it| *it == Verdict::Unseen);
    match ask {
        Some(ask) => {
            session.stage = Stage::Acting;
            Next::Ask(vec![ask])
        }
        None if unseen => Next::Again(UNSEEN_MS),
        None => Next::Finished,
    }
}
