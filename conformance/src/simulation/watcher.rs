//! Watchers that hold what they are sent against the rules of watches, and afterwards against what the store wrote.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use model::messages::api::{Change, ListOptions, Selection};
use model::objects::key::GroupResource;
use model::objects::status::Reason;
use serde_json::Value;
use shell::{ApiClient, CallError, Watch, WatchItem};
use tokio::time::sleep;

use super::history::History;
use super::ledger::Ledger;

/// How long a watcher waits after a failure.
const RETRY: Duration = Duration::from_millis(200);

/// What a watcher has seen. Clones share it.
#[derive(Clone)]
pub struct Seen(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    /// What there is now: the revision and phase of each object, by its path.
    present: BTreeMap<String, Present>,
    /// The newest revision that is known to be complete.
    revision: u64,
    /// Stretches of the store's history, each after a list.
    stretches: Vec<Stretch>,
    faults: Vec<String>,
    /// Is told where pods are bound.
    ledger: Ledger,
}

struct Present {
    revision: u64,
    in_transition: bool,
}

impl Present {
    /// An object as it is at a revision. The node of a pod is told to the ledger.
    fn of(revision: u64, body: &[u8], ledger: &Ledger) -> Self {
        let object: Value = serde_json::from_slice(body).unwrap_or_default();
        let (meta, node) = (&object["metadata"], object["spec"]["nodeName"].as_str());
        if let (Some(uid), Some(node)) = (meta["uid"].as_str(), node) {
            ledger.bound(uid, node);
        }
        let pending = object["status"]["phase"] == "Pending";
        Present {
            revision,
            in_transition: pending || meta["deletionTimestamp"].is_string(),
        }
    }
}

/// Everything between a list and the next.
struct Stretch {
    after: u64,
    events: Vec<(u64, String, Change)>,
}

impl Seen {
    /// Nothing yet; where pods are bound goes to the ledger too.
    pub fn new(ledger: Ledger) -> Self {
        Seen(Rc::new(RefCell::new(Inner {
            ledger,
            ..Inner::default()
        })))
    }

    /// The revision of each object, by its path.
    pub fn present(&self) -> BTreeMap<String, u64> {
        let inner = self.0.borrow();
        let present = inner.present.iter();
        present
            .map(|(path, present)| (path.clone(), present.revision))
            .collect()
    }

    /// Whether a pod is on its way to its first start or to its end.
    pub fn in_transition(&self) -> bool {
        let inner = self.0.borrow();
        inner.present.values().any(|present| present.in_transition)
    }

    /// How many events were sent.
    pub fn events(&self) -> u64 {
        let inner = self.0.borrow();
        let stretches = inner.stretches.iter();
        stretches.map(|stretch| stretch.events.len() as u64).sum()
    }

    /// What was against the rules.
    pub fn faults(&self) -> Vec<String> {
        self.0.borrow().faults.clone()
    }

    /// Holds every stretch against what was written: no event missing, none that did not happen.
    pub fn compare(&self, name: &str, resource: &GroupResource, history: &History) -> Vec<String> {
        let prefix = resource.prefix();
        let inner = self.0.borrow();
        let mut faults = Vec::new();
        for Stretch { after, events } in &inner.stretches {
            let Some((last, ..)) = events.last() else {
                continue;
            };
            if last <= after {
                continue;
            }
            let happened: Vec<_> = history.changes(after + 1..=*last, &prefix).collect();
            if *events != happened {
                let both = events.iter().zip(&happened);
                let at = both.take_while(|(one, other)| one == other).count();
                faults.push(format!(
                    "{name} after revision {after}: event {at} is {:?} where the store wrote {:?}",
                    events.get(at),
                    happened.get(at)
                ));
            }
        }
        faults
    }

    fn fault(&self, fault: String) {
        self.0.borrow_mut().faults.push(fault);
    }

    fn listed(&self, name: &str, listed: &shell::Listed) {
        let mut inner = self.0.borrow_mut();
        if listed.revision < inner.revision {
            let fault = format!(
                "{name} went back in time: listed at revision {} after it had seen {}",
                listed.revision, inner.revision
            );
            inner.faults.push(fault);
        }
        inner.revision = listed.revision;
        let present = listed.items.iter().map(|object| {
            let present = Present::of(object.revision, &object.body, &inner.ledger);
            (object.key.path(), present)
        });
        inner.present = present.collect();
        inner.stretches.push(Stretch {
            after: listed.revision,
            events: Vec::new(),
        });
    }

    fn event(&self, name: &str, path: String, revision: u64, change: Change, body: &[u8]) {
        let mut inner = self.0.borrow_mut();
        let known = inner.present.contains_key(&path);
        let fits = match change {
            Change::Added => !known,
            Change::Modified | Change::Deleted => known,
        };
        if !fits || revision < inner.revision {
            let fault = format!(
                "{name}: {change:?} of {path} at revision {revision} after revision {}, when it was {}",
                inner.revision,
                if known { "there" } else { "not there" }
            );
            inner.faults.push(fault);
        }
        let present = Present::of(revision, body, &inner.ledger);
        match change {
            Change::Added | Change::Modified => {
                inner.present.insert(path.clone(), present);
            }
            Change::Deleted => {
                inner.present.remove(&path);
            }
        }
        if let Some(stretch) = inner.stretches.last_mut() {
            stretch.events.push((revision, path, change));
        }
    }

    /// Everything up to a revision has come.
    fn complete(&self, name: &str, revision: u64) {
        let mut inner = self.0.borrow_mut();
        if revision < inner.revision {
            let fault = format!(
                "{name}: a bookmark at revision {revision} after revision {}",
                inner.revision
            );
            inner.faults.push(fault);
        }
        inner.revision = inner.revision.max(revision);
    }
}

/// Lists and watches a resource for as long as the simulation lasts, going on after the last revision whenever the
/// watch breaks, and listing again only when it is told that it must.
pub async fn follow(api: ApiClient, name: String, resource: GroupResource, seen: Seen) {
    loop {
        let listed = api.list(&resource, "", ListOptions::default()).await;
        let Ok(listed) = listed else {
            sleep(RETRY).await;
            continue;
        };
        seen.listed(&name, &listed);
        let mut after = listed.revision;
        loop {
            let selection = Selection::default();
            let ended = match api.watch(&resource, "", selection, after).await {
                Ok(mut watch) => take_in(&mut watch, &name, &seen, &mut after).await,
                Err(error) => Some(error),
            };
            match ended.as_ref().and_then(CallError::reason) {
                Some(Reason::Gone | Reason::Expired) => break,
                Some(_) | None => sleep(RETRY).await,
            }
        }
    }
}

/// Takes in what a watch brings until it ends; why, if a reason was given.
async fn take_in(watch: &mut Watch, name: &str, seen: &Seen, after: &mut u64) -> Option<CallError> {
    loop {
        let item = match watch.next().await {
            Ok(Some((item, _))) => item,
            Ok(None) => return None,
            Err(error) => return Some(error),
        };
        match item {
            WatchItem::Events(events) => {
                let newest = events.iter().map(|(head, _)| head.item.revision).max();
                for (head, object) in events {
                    let revision = head.item.revision;
                    if revision <= *after {
                        seen.fault(format!(
                            "{name}: a watch after revision {after} was sent revision {revision}"
                        ));
                    }
                    seen.event(name, object.key.path(), revision, head.change, &object.body);
                }
                // A frame ends between revisions, so its newest one is complete.
                if let Some(newest) = newest {
                    seen.complete(name, newest);
                    *after = newest;
                }
            }
            WatchItem::Bookmark { revision, .. } => {
                seen.complete(name, revision);
                *after = (*after).max(revision);
            }
        }
    }
}
