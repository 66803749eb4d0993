//! A runtime that has containers, or not.

use std::collections::BTreeMap;

use model::actions::kubelet::PodName;
use model::machines::kubelet::pod::Requests;
use model::machines::kubelet::{
    ContainerReport, Input, Operation, Outcome, ReportedState, SandboxReport,
};

/// Sandboxes and containers by their id. It outlives its kubelet.
#[derive(Default)]
pub struct Runtime {
    sandboxes: BTreeMap<String, SandboxReport>,
    containers: BTreeMap<String, ContainerReport>,
    /// What each pod asks for, by UID.
    pub requests: BTreeMap<String, Requests>,
}

impl Runtime {
    pub fn listed(&self) -> Input {
        Input::RuntimeListed {
            sandboxes: self.sandboxes.values().cloned().collect(),
            containers: self.containers.values().cloned().collect(),
        }
    }

    /// The containers that run.
    pub fn running(&self) -> Vec<String> {
        let all = self.containers.values();
        let running = all.filter(|container| container.state == ReportedState::Running);
        running.map(|container| container.id.clone()).collect()
    }

    /// The sandboxes that are ready, each after the UID of its pod.
    pub fn ready(&self) -> Vec<(String, String)> {
        let ready = self.sandboxes.values().filter(|sandbox| sandbox.ready);
        ready
            .map(|sandbox| (sandbox.uid.clone(), sandbox.id.clone()))
            .collect()
    }

    /// A container ends.
    pub fn exit(&mut self, id: &str, exit_code: i32) -> Option<ContainerReport> {
        let container = self.containers.get_mut(id)?;
        container.state = ReportedState::Exited;
        container.exit_code = exit_code;
        Some(container.clone())
    }

    /// A sandbox ends with everything in it.
    pub fn end_sandbox(&mut self, uid: &str, id: &str) {
        self.kill(uid);
        if let Some(sandbox) = self.sandboxes.get_mut(id) {
            sandbox.ready = false;
        }
    }

    fn kill(&mut self, uid: &str) -> Vec<ContainerReport> {
        let all = self.containers.values_mut();
        let running = all
            .filter(|container| container.uid == uid && container.state == ReportedState::Running);
        running
            .map(|container| {
                container.state = ReportedState::Exited;
                container.exit_code = 137;
                container.clone()
            })
            .collect()
    }

    /// Does what it is asked.
    pub fn run(&mut self, pod: &PodName, operation: &Operation) -> Outcome {
        match operation {
            Operation::CreateSandbox { attempt } => {
                let id = self.unused(format!("{}-s{attempt}", pod.uid));
                let requests = self.requests.get(&pod.uid).copied().unwrap_or_default();
                let sandbox = SandboxReport {
                    uid: pod.uid.clone(),
                    namespace: pod.namespace.clone(),
                    name: pod.name.clone(),
                    id: id.clone(),
                    attempt: *attempt,
                    ready: true,
                    ips: Vec::new(),
                    grace_s: 30,
                    requests,
                };
                self.sandboxes.insert(id.clone(), sandbox);
                let ips = Vec::new();
                return Outcome::Sandbox { id, ips };
            }
            Operation::EnsureImage { .. } => {
                let (id, pulled) = (String::new(), true);
                return Outcome::Image { id, pulled };
            }
            Operation::StartContainer { container, attempt } => {
                return self.start(&pod.uid, container, *attempt);
            }
            Operation::StopContainers { .. } => return Outcome::Stopped(self.kill(&pod.uid)),
            Operation::RemoveContainer { id } => {
                self.containers.remove(id);
            }
            Operation::StopSandbox { id } => {
                self.end_sandbox(&pod.uid, id);
            }
            Operation::RemoveSandbox { id } => {
                self.kill(&pod.uid);
                self.sandboxes.remove(id);
                self.containers
                    .retain(|_, container| container.sandbox != *id);
            }
            Operation::PrepareVolumes | Operation::RemoveDirectories => {}
        }
        Outcome::Done
    }

    fn start(&mut self, uid: &str, container: &str, attempt: u32) -> Outcome {
        let ready = self.sandboxes.values();
        let ready = ready.filter(|sandbox| sandbox.uid == uid && sandbox.ready);
        let newest = ready.max_by_key(|sandbox| sandbox.attempt);
        let Some(sandbox) = newest.map(|sandbox| sandbox.id.clone()) else {
            return failed();
        };
        let report = ContainerReport {
            uid: uid.to_owned(),
            sandbox,
            name: container.to_owned(),
            id: self.unused(format!("{uid}-c{attempt}")),
            attempt,
            state: ReportedState::Running,
            started: Default::default(),
            finished: Default::default(),
            exit_code: 0,
            reason: String::new(),
            message: String::new(),
            image_id: String::new(),
        };
        self.containers.insert(report.id.clone(), report.clone());
        Outcome::Started(report)
    }

    fn unused(&self, mut id: String) -> String {
        while self.sandboxes.contains_key(&id) || self.containers.contains_key(&id) {
            id.push('x');
        }
        id
    }
}

/// It could not be done.
pub fn failed() -> Outcome {
    Outcome::Failed {
        reason: "CreateContainerError".to_owned(),
        message: "no luck".to_owned(),
    }
}
