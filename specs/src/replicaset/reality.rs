//! What there is, revision by revision: one ReplicaSet and its pods.

use std::collections::BTreeSet;

use model::machines::reflector::{Delivery, Item};
use model::machines::replicaset::{PodView, ReplicaSetStatus, ReplicaSetView, Seen};
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;
use model::objects::meta::OwnerReference;

/// The namespace of everything.
const NAMESPACE: &str = "ns";

/// The ReplicaSet's UID.
const UID: &str = "set";

/// One write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    /// The user asked for so many replicas; the first one creates the set.
    Wished(i64),
    /// The controller reported.
    Reported(ReplicaSetStatus),
    /// A pod was created.
    Born(u8),
    /// A pod went.
    Gone(u8),
}

/// Everything that was written, in order; the n-th write made revision n.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reality {
    facts: Vec<Fact>,
}

/// What there is at a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Moment {
    pub(super) wished: Option<i64>,
    generation: i64,
    pub(super) status: ReplicaSetStatus,
    pub(super) pods: BTreeSet<u8>,
}

impl Reality {
    pub(super) fn write(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    pub(super) fn revision(&self) -> usize {
        self.facts.len()
    }

    /// What there was at a revision.
    pub(super) fn at(&self, revision: usize) -> Moment {
        let mut moment = Moment::default();
        for fact in &self.facts[..revision] {
            match fact {
                Fact::Wished(replicas) => {
                    moment.wished = Some(*replicas);
                    moment.generation += 1;
                }
                Fact::Reported(status) => moment.status = status.clone(),
                Fact::Born(pod) => {
                    moment.pods.insert(*pod);
                }
                Fact::Gone(pod) => {
                    moment.pods.remove(pod);
                }
            }
        }
        moment
    }

    pub(super) fn now(&self) -> Moment {
        self.at(self.revision())
    }

    /// The name of the next pod.
    pub(super) fn next_pod(&self) -> u8 {
        let born = |fact: &&Fact| matches!(fact, Fact::Born(_));
        u8::try_from(self.facts.iter().filter(born).count()).expect("a small world")
    }

    /// How often the user has asked for something.
    pub(super) fn wishes(&self) -> usize {
        let wished = |fact: &&Fact| matches!(fact, Fact::Wished(_));
        self.facts.iter().filter(wished).count()
    }

    /// The next change of a resource after a position, and the position behind it; `None` if there is none yet.
    pub(super) fn next(
        &self,
        resource: &GroupResource,
        position: usize,
    ) -> Option<(Delivery<Seen>, usize)> {
        let at = (position..self.facts.len()).find(|at| self.facts[*at].is_of(resource))?;
        let revision = at + 1;
        let delivery = match &self.facts[at] {
            Fact::Wished(_) | Fact::Reported(_) => {
                Delivery::Apply(self.at(revision).set(revision)?)
            }
            Fact::Born(pod) => Delivery::Apply(seen_pod(*pod, revision)),
            Fact::Gone(pod) => Delivery::Delete(seen_pod(*pod, revision)),
        };
        Some((delivery, revision))
    }

    /// What a list of a resource at a revision brings.
    pub(super) fn list(&self, resource: &GroupResource, revision: usize) -> Delivery<Seen> {
        let moment = self.at(revision);
        let items = if *resource == kinds::pods() {
            let pods = moment.pods.iter();
            pods.map(|pod| seen_pod(*pod, revision)).collect()
        } else {
            moment.set(revision).into_iter().collect()
        };
        Delivery::Replace {
            revision: revision as u64,
            items,
        }
    }
}

impl Fact {
    fn is_of(&self, resource: &GroupResource) -> bool {
        let pod = matches!(self, Fact::Born(_) | Fact::Gone(_));
        pod == (*resource == kinds::pods())
    }
}

impl Moment {
    fn set(&self, revision: usize) -> Option<Item<Seen>> {
        let mut view = ReplicaSetView::default();
        view.metadata.name = "web".to_owned();
        view.metadata.namespace = NAMESPACE.to_owned();
        view.metadata.uid = UID.to_owned();
        view.metadata.generation = self.generation;
        view.spec.replicas = self.wished?;
        let selector = view.spec.selector.get_or_insert_default();
        selector
            .match_labels
            .insert("app".to_owned(), "web".to_owned());
        view.status = self.status.clone();
        Some(Item {
            key: set(),
            revision: revision as u64,
            value: Seen::ReplicaSet(Box::new(view)),
        })
    }
}

/// The ReplicaSet.
pub(super) fn set() -> ObjectKey {
    ObjectKey::new(kinds::replicasets(), NAMESPACE, "web")
}

/// The name of a pod.
pub(super) fn pod_name(pod: u8) -> String {
    format!("web-{pod}")
}

/// The pod of a name.
pub(super) fn pod_of(name: &str) -> u8 {
    let number = name
        .strip_prefix("web-")
        .and_then(|number| number.parse().ok());
    number.expect("the controller names only pods that there were")
}

fn seen_pod(pod: u8, revision: usize) -> Item<Seen> {
    let view = PodView {
        uid: pod_name(pod),
        labels: [("app".to_owned(), "web".to_owned())].into(),
        owners: vec![OwnerReference {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            name: "web".to_owned(),
            uid: UID.to_owned(),
            controller: true,
            ..OwnerReference::default()
        }],
        ..PodView::default()
    };
    Item {
        key: ObjectKey::new(kinds::pods(), NAMESPACE, &pod_name(pod)),
        revision: revision as u64,
        value: Seen::Pod(Box::new(view)),
    }
}
