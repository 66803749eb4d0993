//! What changes wake, and which expectations they meet.

use crate::machines::controller::Wakes;
use crate::machines::reflector::{Delivery, Delta, Item};
use crate::machines::replicaset::state::View;
use crate::machines::replicaset::view::{PodView, ReplicaSetView, Seen};
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::kinds;

pub(super) fn observe(
    view: &mut View,
    resource: &GroupResource,
    delivery: Delivery<Seen>,
    wakes: &mut Wakes<'_>,
) {
    if *resource == kinds::pods() {
        let delivery = narrow(delivery, |seen| match seen {
            Seen::Pod(pod) => Some(*pod),
            Seen::ReplicaSet(_) => None,
        });
        for delta in delivery.map(|it| view.pods.take(it)).unwrap_or_default() {
            match delta {
                Delta::Added(key, pod) => added(view, &key, &pod, wakes),
                Delta::Changed(key, old, new) if old.uid == new.uid => {
                    changed(view, &key, &old, &new, wakes);
                }
                // Another pod of the same name: the deletion in between was not seen.
                Delta::Changed(key, old, new) => {
                    removed(view, &key, &old, wakes);
                    added(view, &key, &new, wakes);
                }
                Delta::Removed(key, pod) => removed(view, &key, &pod, wakes),
            }
        }
    } else {
        let delivery = narrow(delivery, |seen| match seen {
            Seen::ReplicaSet(set) => Some(*set),
            Seen::Pod(_) => None,
        });
        for delta in delivery.map(|it| view.sets.take(it)).unwrap_or_default() {
            set_changed(delta, wakes);
        }
    }
}

/// The delivery with the one kind of view that its resource has.
fn narrow<V>(delivery: Delivery<Seen>, pick: impl Fn(Seen) -> Option<V>) -> Option<Delivery<V>> {
    let item = |item: Item<Seen>| {
        let (key, revision) = (item.key, item.revision);
        pick(item.value).map(|value| Item {
            key,
            revision,
            value,
        })
    };
    match delivery {
        Delivery::Replace { revision, items } => Some(Delivery::Replace {
            revision,
            items: items.into_iter().filter_map(item).collect(),
        }),
        Delivery::Apply(it) => item(it).map(Delivery::Apply),
        Delivery::Delete(it) => item(it).map(Delivery::Delete),
    }
}

fn set_changed(delta: Delta<ReplicaSetView>, wakes: &mut Wakes<'_>) {
    let key = match delta {
        Delta::Added(key, _) => key,
        Delta::Changed(key, old, new) => {
            if old.metadata.uid != new.metadata.uid {
                wakes.expectations.forget(&key);
            }
            key
        }
        Delta::Removed(key, _) => {
            wakes.expectations.forget(&key);
            key
        }
    };
    wakes.wake(&key);
}

fn added(view: &mut View, key: &ObjectKey, pod: &PodView, wakes: &mut Wakes<'_>) {
    view.index(key, pod);
    if pod.deleting {
        // First seen after a restart or a relist, on its way out: a creation that is over is seen too.
        if let Some(owner) = view.owner(pod, &key.namespace) {
            wakes.expectations.creation_observed(&owner);
            wakes.expectations.deletion_observed(&owner, &pod.uid);
            wakes.wake(&owner);
        }
        return;
    }
    match pod.controller() {
        Some(_) => {
            if let Some(owner) = view.owner(pod, &key.namespace) {
                wakes.expectations.creation_observed(&owner);
                wakes.wake(&owner);
            }
        }
        None => wake_adopters(view, key, pod, wakes),
    }
}

fn changed(view: &mut View, key: &ObjectKey, old: &PodView, new: &PodView, wakes: &mut Wakes<'_>) {
    let moved = old.controller() != new.controller();
    if moved {
        view.unindex(key, old);
        view.index(key, new);
        if let Some(owner) = view.owner(old, &key.namespace) {
            wakes.wake(&owner);
        }
    }
    match view.owner(new, &key.namespace) {
        Some(owner) => {
            // A graceful deletion is seen as a change first; that is when the pod stops to count.
            if new.deleting {
                wakes.expectations.deletion_observed(&owner, &new.uid);
            }
            wakes.wake(&owner);
        }
        None if new.controller().is_none() && (moved || old.labels != new.labels) => {
            wake_adopters(view, key, new, wakes);
        }
        None => {}
    }
}

fn removed(view: &mut View, key: &ObjectKey, pod: &PodView, wakes: &mut Wakes<'_>) {
    view.unindex(key, pod);
    if let Some(owner) = view.owner(pod, &key.namespace) {
        wakes.expectations.deletion_observed(&owner, &pod.uid);
        wakes.wake(&owner);
    }
}

fn wake_adopters(view: &View, key: &ObjectKey, pod: &PodView, wakes: &mut Wakes<'_>) {
    for set in view.adopters(pod, &key.namespace) {
        wakes.wake(set);
    }
}
