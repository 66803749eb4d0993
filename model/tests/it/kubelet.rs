//! The kubelet's scenarios and its transition table.
//!
//! A pod is written `NAME UID [key=value …]` with the keys `created deleting node policy init containers cpu memory
//! phase grace restarts`; `done UID` ends the operation under way well, `fail UID REASON MESSAGE` ends it badly.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use model::machine::Now;
use model::machines::kubelet::status::ContainerState;
use model::machines::kubelet::{Input, Kubelet, Measure, Operation, Outcome, State, Written};

use crate::kubelet_notation::{good_end, kubelet, pod, report, sandbox};
use crate::scenario::{self, Player, Rig};

struct KubeletPlayer {
    rig: Rig<Kubelet>,
    begun: String,
    transitions: Rc<RefCell<BTreeSet<String>>>,
}

/// Where the pod is that an input is about, and what is under way for it.
fn phase(uid: &str) -> impl Fn(&State) -> String {
    let uid = uid.to_owned();
    move |state| {
        let Some(record) = state.pods.get(&uid) else {
            return if uid.is_empty() { "node" } else { "unknown" }.to_owned();
        };
        let ending = record
            .ending(state.stopping)
            .map_or(String::new(), |ending| format!("{ending:?}/"));
        let operation = record
            .operation
            .as_ref()
            .map_or("idle".to_owned(), scenario::variant);
        format!("{ending}{}/{operation}", record.phase.as_str())
    }
}

impl KubeletPlayer {
    fn input(&self, verb: &str, words: &[&str], lines: &[&str]) -> Result<Input, String> {
        let now = self.rig.now;
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        let uid = word(0).to_owned();
        let number = |index: usize| word(index).parse::<u64>().unwrap_or(0);
        let written = |text: &str| match text {
            "absent" => Written::Absent,
            "failed" => Written::Failed("the API server is away".to_owned()),
            _ => Written::Done,
        };
        Ok(match verb {
            "runtime" => runtime(lines, now)?,
            "runtime-fails" => Input::RuntimeFailed("no shim".to_owned()),
            "lost" => Input::EventsLost,
            "registered" => Input::NodeRegistered {
                revision: number(0),
            },
            "registration-fails" => Input::RegistrationFailed("away".to_owned()),
            "node-written" => Input::NodeWritten(written(word(0))),
            "lease" => Input::LeaseWritten(written(word(0))),
            "measured" => Input::Measured(Measure {
                memory_available_bytes: number(0) << 20,
                disk_free_permille: 500,
                pids_free_permille: 900,
            }),
            "pods" => Input::PodsListed {
                revision: number(0),
                pods: lines
                    .iter()
                    .map(|line| pod(line))
                    .collect::<Result<_, _>>()?,
            },
            "apply" => Input::PodApplied {
                revision: number(0),
                pod: pod(&words[1..].join(" "))?,
            },
            "gone" => Input::PodGone {
                revision: number(0),
                uid: word(1).to_owned(),
                grace_s: word(2).parse().ok(),
            },
            "pulling" => Input::Pulling {
                uid,
                container: word(1).to_owned(),
            },
            "done" => good_end(&self.rig.state, &uid, now)?,
            "fail" => {
                let record = self.rig.state.pods.get(&uid).ok_or("no such pod")?;
                Input::Done {
                    operation: record.operation.clone().ok_or("nothing is under way")?,
                    outcome: Outcome::Failed {
                        reason: word(1).to_owned(),
                        message: words.get(2..).unwrap_or_default().join(" "),
                    },
                    uid,
                }
            }
            "late" => Input::Done {
                uid: uid.clone(),
                operation: Operation::StartContainer {
                    container: "web".to_owned(),
                    attempt: 0,
                },
                outcome: Outcome::Started(report(&uid, "web", 0, "running", now)),
            },
            "ended" => {
                let attempt = u32::try_from(number(2)).unwrap_or(0);
                let state = format!("exited:{}", word(3));
                Input::ContainerEnded(report(&uid, word(1), attempt, &state, now))
            }
            "sandbox-died" => Input::SandboxDied {
                id: word(1).to_owned(),
                uid,
            },
            "written" => Input::StatusWritten {
                outcome: written(word(1)),
                uid,
            },
            "removed" => Input::PodDeleted {
                outcome: written(word(1)),
                uid,
            },
            "stop" => Input::Stop,
            other => return Err(format!("unknown command {other}")),
        })
    }

    fn run(&mut self, command: &str) -> Result<String, String> {
        let mut lines = command.lines();
        let head: Vec<&str> = lines
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let lines: Vec<&str> = lines.collect();
        let (verb, words) = head.split_first().ok_or("an empty command")?;
        match *verb {
            "start" => return Ok(std::mem::take(&mut self.begun)),
            "wait" => {
                let ms: u64 = words
                    .first()
                    .and_then(|word| word.parse().ok())
                    .unwrap_or(0);
                self.rig.now = Now(self.rig.now.0 + ms);
                return Ok(String::new());
            }
            "fire" => {
                let timer = words.join(" ");
                let about = timer.split('"').nth(1).unwrap_or_default().to_owned();
                return self.rig.fire(phase(&about), &timer);
            }
            // A kubelet that has registered its node and found it empty.
            "ready" => {
                for command in [
                    "runtime",
                    "registered 10",
                    "node-written",
                    "lease",
                    "pods 10",
                ] {
                    self.run(command)?;
                }
                return Ok(String::new());
            }
            // Every operation of a pod ends well and every status is written, until nothing is under way.
            "settle" => {
                let uid = words.first().copied().unwrap_or_default();
                let mut told = Vec::new();
                while let Some(record) = self.rig.state.pods.get(uid) {
                    let command = if record.operation.is_some() {
                        format!("done {uid}")
                    } else if record.reporting.in_flight {
                        format!("written {uid}")
                    } else {
                        break;
                    };
                    told.push(self.run(&command)?);
                }
                return Ok(told.join("\n"));
            }
            _ => {}
        }
        let about = match (*verb, words) {
            ("apply", [_, _, uid, ..]) | ("gone", [_, uid, ..]) => *uid,
            ("registered" | "pods" | "measured" | "lease" | "node-written", _) => "",
            (_, [uid, ..]) => *uid,
            _ => "",
        };
        let input = self.input(verb, words, &lines)?;
        let answer = self.rig.step(phase(about), input);
        self.transitions.borrow_mut().extend(self.rig.transitions());
        Ok(answer)
    }

    /// Names of pods and statuses, short enough to be read.
    fn shorten(&self, answer: &str) -> String {
        let lines = answer.lines().filter(|line| !line.starts_with("-> Event"));
        let short: Vec<String> = lines.map(|line| self.shorten_line(line)).collect();
        short.join("\n")
    }

    fn shorten_line(&self, line: &str) -> String {
        let mut line = line.to_owned();
        while let Some((before, rest)) = line.split_once("PodName { namespace: \"") {
            let Some((name, after)) = rest.split_once("\" }") else {
                break;
            };
            let name = name
                .replace("\", name: \"", "/")
                .replace("\", uid: \"", " ");
            line = format!("{before}[{name}]{after}");
        }
        let Some(rest) = line.strip_prefix("-> WriteStatus") else {
            return line;
        };
        let uid = rest
            .split(['[', ']'])
            .nth(1)
            .and_then(|name| name.split(' ').nth(1));
        let record = uid.and_then(|uid| self.rig.state.pods.get(uid));
        let Some(status) = record.and_then(|record| record.reporting.sent.as_ref()) else {
            return line;
        };
        let ready = status
            .conditions
            .iter()
            .filter(|condition| condition.status == "True");
        let ready: Vec<&str> = ready.map(|condition| condition.kind.as_str()).collect();
        let containers = status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses);
        let containers: Vec<String> = containers
            .map(|status| {
                let state = match &status.state {
                    ContainerState::Waiting { reason, .. } => reason.clone(),
                    ContainerState::Running { .. } => "running".to_owned(),
                    ContainerState::Terminated(ended) => {
                        format!("{}({})", ended.reason, ended.exit_code)
                    }
                };
                let last = status.last_state.terminated.as_ref();
                let last = last.map_or(String::new(), |ended| {
                    format!(" after {}({})", ended.reason, ended.exit_code)
                });
                format!(
                    "{}={state}{last} restarts={}",
                    status.name, status.restart_count
                )
            })
            .collect();
        let mut text = format!(
            "-> WriteStatus {}: {} [{}]",
            uid.unwrap_or_default(),
            status.phase,
            ready.join(" ")
        );
        for part in [
            status.reason.clone(),
            status.message.clone(),
            status.pod_ip.clone(),
            containers.join(", "),
        ] {
            if !part.is_empty() {
                text.push_str("; ");
                text.push_str(&part);
            }
        }
        text
    }
}

fn runtime(lines: &[&str], now: Now) -> Result<Input, String> {
    let (mut sandboxes, mut containers) = (Vec::new(), Vec::new());
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["sandbox", name, uid, attempt, state] => {
                let attempt = attempt.parse().map_err(|_| "an attempt is a number")?;
                sandboxes.push(sandbox(name, uid, attempt, *state == "ready"));
            }
            ["container", uid, name, attempt, state] => {
                let attempt = attempt.parse().map_err(|_| "an attempt is a number")?;
                containers.push(report(uid, name, attempt, state, now));
            }
            _ => return Err(format!("not a sandbox or container: {line}")),
        }
    }
    Ok(Input::RuntimeListed {
        sandboxes,
        containers,
    })
}

impl Player for KubeletPlayer {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let answer = self.run(command)?;
        Ok(self.shorten(&answer))
    }
}

#[test]
fn scenarios_and_transitions() {
    let transitions = Rc::new(RefCell::new(BTreeSet::new()));
    scenario::play_all("kubelet", || {
        let (rig, begun) = Rig::new(kubelet());
        KubeletPlayer {
            rig,
            begun,
            transitions: Rc::clone(&transitions),
        }
    });
    let rows: Vec<String> = transitions.borrow().iter().cloned().collect();
    insta::assert_snapshot!(rows.join("\n"));
}
