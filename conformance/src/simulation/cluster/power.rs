//! The power of nodes' hosts.

use crate::simulation::cluster::Cluster;
use crate::simulation::part::Part;

impl Cluster {
    /// The host of a node loses power: its kubelet and all its containers are gone at once, and nothing of it starts
    /// before it has power again. False if it was off already, or there is no such node.
    pub fn power_off(&self, number: u8) -> bool {
        let part = Part::Kubelet(number);
        let Some((containers, _)) = self.node(number) else {
            return false;
        };
        if !self.off.borrow_mut().insert(part) {
            return false;
        }
        self.kill(part, true);
        containers.lose_power();
        true
    }

    /// The host of a node has power again: its kubelet starts.
    pub fn power_on(&self, number: u8) {
        self.off.borrow_mut().remove(&Part::Kubelet(number));
        self.powered.notify_waiters();
    }

    /// Waits until the host of a part has power.
    pub(super) async fn has_power(&self, part: Part) {
        loop {
            // Taken before the look, so that no change falls between look and wait.
            let changed = self.powered.notified();
            if !self.off.borrow().contains(&part) {
                return;
            }
            changed.await;
        }
    }
}
