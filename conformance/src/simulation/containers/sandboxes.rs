//! The sandboxes of one simulated node.

use std::net::{IpAddr, Ipv4Addr};

use runtime::cri::{
    ContainerEvent, PodSandboxConfig, PodSandboxStatus, SandboxId, SandboxState, reason,
};

use super::node::{Inner, KILLED};

impl Inner {
    pub(super) fn sandbox(&self, id: &SandboxId) -> Option<PodSandboxStatus> {
        self.state.borrow().sandboxes.get(id).cloned()
    }

    pub(super) fn sandboxes(&self) -> Vec<PodSandboxStatus> {
        self.state.borrow().sandboxes.values().cloned().collect()
    }

    pub(super) fn make_sandbox(&self, config: &PodSandboxConfig) -> PodSandboxStatus {
        let id = SandboxId(format!("{}_{}", config.uid, config.attempt));
        let created_at = self.nanoseconds();
        let mut state = self.state.borrow_mut();
        if let Some(present) = state.sandboxes.get(&id) {
            return present.clone();
        }
        state.addresses += 1;
        let [high, low] = state.addresses.to_be_bytes();
        let status = PodSandboxStatus {
            id: id.clone(),
            uid: config.uid.clone(),
            namespace: config.namespace.clone(),
            name: config.name.clone(),
            attempt: config.attempt,
            state: SandboxState::Ready,
            created_at,
            ips: vec![IpAddr::V4(Ipv4Addr::new(10, 128 + self.number, high, low))],
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
        };
        state.sandboxes.insert(id, status.clone());
        status
    }

    pub(super) fn stop_sandbox(&self, id: &SandboxId) {
        for container in self.containers() {
            if container.sandbox == *id {
                self.end(&container.id, KILLED, reason::ERROR);
            }
        }
        let stopped = {
            let mut state = self.state.borrow_mut();
            let ready = state
                .sandboxes
                .get_mut(id)
                .filter(|sandbox| sandbox.state == SandboxState::Ready);
            ready.map(|sandbox| {
                sandbox.state = SandboxState::NotReady;
                sandbox.ips.clear();
                sandbox.clone()
            })
        };
        if let Some(status) = stopped {
            self.changed(Some(ContainerEvent::SandboxStopped(status)));
        }
    }

    pub(super) fn remove_sandbox(&self, id: &SandboxId) {
        self.stop_sandbox(id);
        let mut state = self.state.borrow_mut();
        state.sandboxes.remove(id);
        state
            .containers
            .retain(|_, container| container.status.sandbox != *id);
    }
}
