//! The sandboxes and containers of one simulated node. They outlive its kubelet.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use runtime::cri::{
    ContainerConfig, ContainerEvent, ContainerId, ContainerState, ContainerStatus,
    PodSandboxStatus, SandboxId, SandboxState, reason,
};
use shell::Clock;
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, sleep_until};
use transport::sim::SeededRandom;

use super::script::Script;
use super::witness::{Name, Sighting, Witness};
use crate::simulation::clock::HostClock;

/// Events that a kubelet may stay behind before it is told so.
const EVENTS: usize = 256;
/// What the kernel's SIGKILL leaves as exit code, and SIGTERM.
pub(super) const KILLED: i32 = 137;
const TERMINATED: i32 = 143;

/// A node's containers. Clones are the same node.
#[derive(Clone)]
pub struct Containers(pub(super) Rc<Inner>);

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) number: u8,
    clock: HostClock,
    pub(super) random: SeededRandom,
    /// Operations of 1,000 that fail.
    pub(super) failing_per_mille: Cell<u64>,
    witness: Witness,
    pub(super) state: RefCell<State>,
    pub(super) events: broadcast::Sender<ContainerEvent>,
    /// Wakes those who wait for a change, in their order.
    changes: Notify,
    deadline_set: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) sandboxes: BTreeMap<SandboxId, PodSandboxStatus>,
    pub(super) containers: BTreeMap<ContainerId, Container>,
    pub(super) addresses: u16,
}

pub(super) struct Container {
    pub(super) status: ContainerStatus,
    name: Name,
    uid: String,
    script: Script,
    /// When its process ends, and with which exit code.
    ends: Option<(Instant, i32)>,
}

impl Containers {
    /// A node without any. `number` tells its addresses apart from other nodes'.
    pub fn new(
        name: &str,
        number: u8,
        clock: HostClock,
        random: SeededRandom,
        witness: Witness,
    ) -> Self {
        Containers(Rc::new(Inner {
            name: name.to_owned(),
            number,
            clock,
            random,
            failing_per_mille: Cell::new(0),
            witness,
            state: RefCell::default(),
            events: broadcast::channel(EVENTS).0,
            changes: Notify::new(),
            deadline_set: Notify::new(),
        }))
    }

    /// Lets so many operations of 1,000 fail.
    pub fn fail(&self, per_mille: u64) {
        self.0.failing_per_mille.set(per_mille);
    }

    /// Lets one of the running containers die, as if it had used too much memory; false if none runs.
    pub fn kill_one(&self) -> bool {
        let running: Vec<ContainerId> = {
            let state = self.0.state.borrow();
            let running = state
                .containers
                .values()
                .filter(|container| container.status.state == ContainerState::Running);
            running
                .map(|container| container.status.id.clone())
                .collect()
        };
        match self.0.random.pick(&running) {
            Some(id) => {
                self.0.end(id, KILLED, reason::OOM_KILLED);
                true
            }
            None => false,
        }
    }

    /// Lets the sandbox of a pod die, and with it what runs there; false if none is ready.
    pub fn kill_a_sandbox(&self) -> bool {
        let sandboxes = self.0.sandboxes().into_iter();
        let ready: Vec<SandboxId> = sandboxes
            .filter(|sandbox| sandbox.state == SandboxState::Ready)
            .map(|sandbox| sandbox.id)
            .collect();
        match self.0.random.pick(&ready) {
            Some(id) => {
                self.0.stop_sandbox(id);
                true
            }
            None => false,
        }
    }

    /// The host loses power: nothing of what ran is left, and nobody is told.
    pub fn lose_power(&self) {
        let Inner {
            state,
            witness,
            name,
            ..
        } = &*self.0;
        let mut state = state.borrow_mut();
        for container in state.containers.values() {
            if container.status.state == ContainerState::Running {
                witness.ended(&container.name, name, &container.status.id.0);
            }
        }
        state.containers.clear();
        state.sandboxes.clear();
    }

    /// Ends the containers whose time has come, for as long as the simulation lasts.
    pub async fn live(self) {
        loop {
            let next = {
                let state = self.0.state.borrow();
                let ends = state.containers.values().filter_map(|container| {
                    let (at, code) = container.ends?;
                    Some((at, container.status.id.clone(), code))
                });
                ends.min()
            };
            let Some((at, id, code)) = next else {
                self.0.deadline_set.notified().await;
                continue;
            };
            tokio::select! {
                biased;
                () = sleep_until(at) => {
                    let why = if code == 0 { reason::COMPLETED } else { reason::ERROR };
                    self.0.end(&id, code, why);
                }
                () = self.0.deadline_set.notified() => {}
            }
        }
    }
}

impl Inner {
    pub(super) fn nanoseconds(&self) -> i64 {
        i64::try_from(self.clock.now().0.saturating_mul(1_000_000)).unwrap_or(i64::MAX)
    }

    pub(super) fn changed(&self, event: Option<ContainerEvent>) {
        self.changes.notify_waiters();
        if let Some(event) = event {
            // Nobody listens while the kubelet is down.
            let _ = self.events.send(event);
        }
    }

    pub(super) fn container(&self, id: &ContainerId) -> Option<ContainerStatus> {
        let state = self.state.borrow();
        Some(state.containers.get(id)?.status.clone())
    }

    pub(super) fn containers(&self) -> Vec<ContainerStatus> {
        let state = self.state.borrow();
        let statuses = state.containers.values().map(|known| known.status.clone());
        statuses.collect()
    }

    pub(super) fn make_container(
        &self,
        sandbox: &PodSandboxStatus,
        config: &ContainerConfig,
    ) -> ContainerId {
        let id = ContainerId(format!("{}_{}_{}", sandbox.id, config.name, config.attempt));
        let status = ContainerStatus {
            id: id.clone(),
            sandbox: sandbox.id.clone(),
            name: config.name.clone(),
            attempt: config.attempt,
            state: ContainerState::Created,
            pid: None,
            created_at: self.nanoseconds(),
            started_at: 0,
            finished_at: 0,
            exit_code: 0,
            reason: String::new(),
            message: String::new(),
            image: config.image.clone(),
            image_ref: config.image.clone(),
            log_path: config.log_path.clone(),
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
        };
        let container = Container {
            status: status.clone(),
            name: (
                sandbox.namespace.clone(),
                sandbox.name.clone(),
                config.name.clone(),
            ),
            uid: sandbox.uid.clone(),
            script: Script::read(&config.args),
            ends: None,
        };
        let mut state = self.state.borrow_mut();
        state.containers.insert(id.clone(), container);
        drop(state);
        self.changed(Some(ContainerEvent::Created(status)));
        id
    }

    /// Starts a container; false if there is none that could be started.
    pub(super) fn start(&self, id: &ContainerId) -> bool {
        let started_at = self.nanoseconds();
        let mut state = self.state.borrow_mut();
        let Some(container) = state
            .containers
            .get_mut(id)
            .filter(|container| container.status.state == ContainerState::Created)
        else {
            return false;
        };
        container.status.state = ContainerState::Running;
        container.status.started_at = started_at;
        let runs = container.script.runs;
        container.ends = runs.map(|runs| (Instant::now() + runs, container.script.exit_code));
        let sighting = Sighting {
            uid: container.uid.clone(),
            node: self.name.clone(),
            id: id.0.clone(),
        };
        self.witness.started(container.name.clone(), sighting);
        let status = container.status.clone();
        drop(state);
        self.deadline_set.notify_one();
        self.changed(Some(ContainerEvent::Started(status)));
        true
    }

    /// SIGTERM now, SIGKILL after `grace`. A container that was not started has ended.
    pub(super) fn terminate(&self, id: &ContainerId, grace: Duration) {
        let mut state = self.state.borrow_mut();
        let Some(container) = state.containers.get_mut(id) else {
            return;
        };
        let now = Instant::now();
        let (takes, code) = match container.script.stops_in {
            takes if takes <= grace => (takes, TERMINATED),
            _ => (grace, KILLED),
        };
        let (at, code) = match container.ends {
            Some(earlier) if earlier.0 <= now + takes => earlier,
            _ => (now + takes, code),
        };
        match container.status.state {
            ContainerState::Running => container.ends = Some((at, code)),
            ContainerState::Created => {
                container.status.state = ContainerState::Exited;
                container.status.reason = reason::ERROR.to_owned();
                container.status.exit_code = KILLED;
            }
            ContainerState::Exited | ContainerState::Unknown => {}
        }
        drop(state);
        self.deadline_set.notify_one();
    }

    /// Waits until a container has ended or is gone.
    pub(super) async fn ended(&self, id: &ContainerId) {
        let over = |status: ContainerStatus| {
            !matches!(
                status.state,
                ContainerState::Running | ContainerState::Created
            )
        };
        loop {
            // Taken before the look, so that no change falls between look and wait.
            let changed = self.changes.notified();
            if self.container(id).is_none_or(over) {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn remove(&self, id: &ContainerId) {
        self.end(id, KILLED, reason::ERROR);
        let removed = self.state.borrow_mut().containers.remove(id);
        self.changed(removed.map(|container| ContainerEvent::Deleted {
            id: container.status.id,
            sandbox: container.status.sandbox,
        }));
    }

    /// The container's process ends, if it runs.
    pub(super) fn end(&self, id: &ContainerId, exit_code: i32, why: &str) {
        let finished_at = self.nanoseconds();
        let mut state = self.state.borrow_mut();
        let Some(container) = state
            .containers
            .get_mut(id)
            .filter(|container| container.status.state == ContainerState::Running)
        else {
            return;
        };
        let status = &mut container.status;
        status.state = ContainerState::Exited;
        status.finished_at = finished_at;
        status.exit_code = exit_code;
        status.reason = why.to_owned();
        container.ends = None;
        self.witness.ended(&container.name, &self.name, &id.0);
        let status = container.status.clone();
        drop(state);
        self.changed(Some(ContainerEvent::Stopped(status)));
    }
}
