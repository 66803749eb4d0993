//! Who sees every container of every node start and end: a witness from outside of the cluster.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A container of a pod, by what must be unique in a cluster: namespace, pod, container.
pub type Name = (String, String, String);

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// UID of its pod.
    pub uid: String,
    /// Name of its node.
    pub node: String,
    /// Its identity there.
    pub id: String,
}

/// The witness. Clones share what was seen.
#[derive(Clone, Debug, Default)]
pub struct Witness(Rc<RefCell<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    running: BTreeMap<Name, Sighting>,
    starts: u64,
    faults: Vec<String>,
}

impl Witness {
    /// A container starts.
    pub(super) fn started(&self, name: Name, sighting: Sighting) {
        let mut seen = self.0.borrow_mut();
        seen.starts += 1;
        if let Some(other) = seen.running.get(&name) {
            let (namespace, pod, container) = &name;
            let fault = format!(
                "container {container} of pod {namespace}/{pod} runs twice: {} of UID {} on {}, and {} of UID {} on {}",
                other.id, other.uid, other.node, sighting.id, sighting.uid, sighting.node,
            );
            seen.faults.push(fault);
        }
        seen.running.insert(name, sighting);
    }

    /// A container has ended.
    pub(super) fn ended(&self, name: &Name, node: &str, id: &str) {
        let mut seen = self.0.borrow_mut();
        if seen
            .running
            .get(name)
            .is_some_and(|known| known.node == node && known.id == id)
        {
            seen.running.remove(name);
        }
    }

    /// Every container that runs.
    pub fn running(&self) -> BTreeMap<Name, Sighting> {
        self.0.borrow().running.clone()
    }

    /// How many containers were started so far.
    pub fn starts(&self) -> u64 {
        self.0.borrow().starts
    }

    /// What was seen that must never be.
    pub fn faults(&self) -> Vec<String> {
        self.0.borrow().faults.clone()
    }
}
