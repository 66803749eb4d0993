//! How the world answers: a runtime that has containers, an API that takes writes, or neither.

use std::collections::BTreeMap;

use model::machines::kubelet::pod::{Former, Phase};
use model::machines::kubelet::status::PodStatus;
use model::machines::kubelet::{Input, Operation, Outcome, Output, Written};

use super::World;
use crate::kubelet_notation::{report, sandbox};

fn rank(phase: &str) -> u8 {
    match phase {
        "Pending" => 0,
        "Running" => 1,
        _ => 2,
    }
}

impl World {
    pub(super) fn answer(&mut self, which: u8, well: bool) {
        if self.outstanding.is_empty() {
            return;
        }
        let output = self
            .outstanding
            .remove(usize::from(which) % self.outstanding.len());
        let written = if well {
            Written::Done
        } else {
            Written::Failed("away".to_owned())
        };
        let input = match output {
            Output::ListRuntime if well => {
                let mut containers = Vec::new();
                for ((uid, name), attempt) in &self.live {
                    containers.push(report(uid, name, *attempt, "running", self.now));
                }
                for ((uid, name), attempt) in &self.dead {
                    if !self.live.contains_key(&(uid.clone(), name.clone())) {
                        containers.push(report(uid, name, *attempt, "exited:1", self.now));
                    }
                }
                for report in &mut containers {
                    let newest = self
                        .sandboxes
                        .values()
                        .rev()
                        .find(|sandbox| sandbox.uid == report.uid);
                    report.sandbox = newest.map(|sandbox| sandbox.id.clone()).unwrap_or_default();
                }
                Input::RuntimeListed {
                    sandboxes: self.sandboxes.values().cloned().collect(),
                    containers,
                }
            }
            Output::ListRuntime => Input::RuntimeFailed("away".to_owned()),
            Output::FollowPods { .. } => {
                // A list may be old, as of before the last changes; the machine refuses what is too old.
                self.untold.clear();
                Input::PodsListed {
                    revision: self.revision,
                    pods: self.api.values().cloned().collect(),
                }
            }
            Output::Run { pod, operation } => self.run(&pod.name, pod.uid, operation, well),
            Output::WriteStatus { pod, status } => {
                let there = self.api.contains_key(&pod.uid);
                if there && well {
                    self.report(&pod.uid, &status);
                }
                Input::StatusWritten {
                    outcome: if there { written } else { Written::Absent },
                    uid: pod.uid,
                }
            }
            Output::DeletePod(pod) => {
                if well {
                    assert!(
                        !self.live.keys().any(|(uid, _)| *uid == pod.uid),
                        "removed alive"
                    );
                    self.remove(&pod.uid);
                }
                Input::PodDeleted {
                    uid: pod.uid,
                    outcome: written,
                }
            }
            Output::RegisterNode(_) if well => {
                self.revision += 1;
                Input::NodeRegistered {
                    revision: self.revision,
                }
            }
            Output::RegisterNode(_) => Input::RegistrationFailed("away".to_owned()),
            Output::WriteNodeStatus(_) => Input::NodeWritten(written),
            Output::RenewLease => Input::LeaseWritten(written),
            other => panic!("nobody answers {other:?}"),
        };
        self.feed(input);
    }

    /// The API takes a status.
    fn report(&mut self, uid: &str, status: &PodStatus) {
        let phase = rank(&status.phase);
        let before = self.phases.insert(uid.to_owned(), phase).unwrap_or(0);
        assert!(before <= phase, "the phase of {uid} went back");
        let started = status.container_statuses.iter();
        let started = started.filter(|container| !container.container_id.is_empty());
        let started: BTreeMap<String, Former> = started
            .map(|container| {
                let former = Former {
                    restarts: container.restart_count,
                    exit_code: None,
                };
                (container.name.clone(), former)
            })
            .collect();
        let phase = [Phase::Pending, Phase::Running, Phase::Failed][usize::from(phase)];
        self.change(uid, |pod| {
            pod.reported.phase = phase;
            pod.reported.started = started;
        });
    }

    fn run(&mut self, name: &str, uid: String, operation: Operation, well: bool) -> Input {
        let mut outcome = Outcome::Done;
        match &operation {
            _ if !well => {
                outcome = Outcome::Failed {
                    reason: "CreateContainerError".to_owned(),
                    message: "no luck".to_owned(),
                }
            }
            Operation::CreateSandbox { attempt } => {
                let mut made = sandbox(name, &uid, *attempt, true);
                made.requests = self.state.pods[&uid].requests;
                outcome = Outcome::Sandbox {
                    id: made.id.clone(),
                    ips: made.ips.clone(),
                };
                self.sandboxes.insert(made.id.clone(), made);
            }
            Operation::EnsureImage { .. } => {
                outcome = Outcome::Image {
                    id: "sha256:echo".to_owned(),
                    pulled: true,
                }
            }
            Operation::StartContainer { container, attempt } => {
                let key = (uid.clone(), container.clone());
                assert!(
                    !self.live.contains_key(&key),
                    "a second instance of {key:?}"
                );
                self.started += 1;
                self.live.insert(key, *attempt);
                outcome = Outcome::Started(report(&uid, container, *attempt, "running", self.now));
            }
            Operation::StopContainers { .. } => {
                self.kill(&uid);
                outcome = Outcome::Stopped(Vec::new());
            }
            Operation::StopSandbox { id } => {
                self.kill(&uid);
                if let Some(sandbox) = self.sandboxes.get_mut(id) {
                    sandbox.ready = false;
                }
            }
            Operation::RemoveSandbox { id } => {
                self.kill(&uid);
                self.dead.retain(|(of, _), _| *of != uid);
                self.sandboxes.remove(id);
            }
            _ => {}
        }
        Input::Done {
            uid,
            operation,
            outcome,
        }
    }
}
