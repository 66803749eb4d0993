//! The ReplicaSet controller's scenarios and the transition table of the generic controller around it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use model::machine::Now;
use model::machines::controller::{Controller, Input, Reconcile, State};
use model::machines::reflector::{Delivery, Item};
use model::machines::replicaset::{ReplicaSets, Seen};
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;
use model::objects::object::Object;
use model::rules::time;
use serde_json::{Value, json};

use crate::scenario::{self, Player, Rig};
use crate::shorthand::{self, Words};

type Machine = Controller<ReplicaSets>;

struct ReplicaSetPlayer {
    rig: Rig<Machine>,
    revision: u64,
    transitions: Rc<RefCell<BTreeSet<String>>>,
}

fn phase(state: &State<ReplicaSets>) -> String {
    match (state.working(), state.waiting()) {
        (0, 0) => "idle".to_owned(),
        (0, _) => "waiting".to_owned(),
        _ => "working".to_owned(),
    }
}

fn set_key(name: &str) -> ObjectKey {
    ObjectKey::new(kinds::replicasets(), "d", name)
}

fn set_body(name: &str, words: &Words<'_>) -> Value {
    let mut body = json!({
        "metadata": { "name": name, "namespace": "d", "uid": words.get("uid").unwrap_or("r1"),
            "generation": words.int("generation").unwrap_or(1) },
        "spec": {
            "selector": { "matchLabels": { "app": words.get("app").unwrap_or("web") } },
            "minReadySeconds": words.int("minReady").unwrap_or(0),
            "template": {
                "metadata": { "labels": { "app": words.get("app").unwrap_or("web") } },
                "spec": { "containers": [{ "name": "c", "image": "plimsoll/echo" }] },
            },
        },
        "status": { "replicas": words.int("seen").unwrap_or(0), "readyReplicas": words.int("ready").unwrap_or(0),
            "availableReplicas": words.int("ready").unwrap_or(0),
            "fullyLabeledReplicas": words.int("seen").unwrap_or(0), "observedGeneration": words.int("observed").unwrap_or(i64::from(words.get("seen").is_some())) },
    });
    if let Some(replicas) = words.int("replicas") {
        body["spec"]["replicas"] = json!(replicas);
    }
    if words.has("deleting") {
        body["metadata"]["deletionTimestamp"] = json!(time::seconds(Now(1_000)));
    }
    if let Some(owner) = words.get("deployment") {
        body["metadata"]["ownerReferences"] =
            json!([{ "kind": "Deployment", "name": "dep", "uid": owner, "controller": true }]);
    }
    body
}

fn pod_body(name: &str, revision: u64, words: &Words<'_>) -> Value {
    let mut body = json!({
        "metadata": { "name": name, "namespace": "d", "uid": words.get("uid").unwrap_or(name),
            "resourceVersion": revision.to_string(),
            "creationTimestamp": time::seconds(Now(words.int("created").unwrap_or(1) as u64 * 1000)),
            "labels": { "app": words.get("app").unwrap_or("web") }, "annotations": {} },
        "spec": { "nodeName": words.get("node").unwrap_or("") },
        "status": { "phase": words.get("phase").unwrap_or("Pending"),
            "containerStatuses": [{ "restartCount": words.int("restarts").unwrap_or(0) }] },
    });
    if let Some(owner) = words.get("owner") {
        let (name, uid) = owner.split_once(':').unwrap_or(("web", owner));
        body["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name,
            "uid": uid, "controller": true, "blockOwnerDeletion": true }]);
    }
    if let Some(at) = words.int("ready") {
        body["status"]["conditions"] = json!([{ "type": "Ready", "status": "True",
            "lastTransitionTime": time::seconds(Now(at as u64 * 1000)) }]);
    }
    if let Some(cost) = words.get("cost") {
        body["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"] = json!(cost);
    }
    if words.has("deleting") {
        body["metadata"]["deletionTimestamp"] = json!(time::seconds(Now(1_000)));
    }
    body
}

impl ReplicaSetPlayer {
    fn line(&mut self, line: &str) -> Result<Vec<Input<ReplicaSets>>, String> {
        let words = Words::of(line);
        let seen = |object: Object| -> Result<Item<Seen>, String> {
            let view = ReplicaSets
                .read(&object)
                .map_err(|error| error.to_string())?;
            Ok(shorthand::item(object, view))
        };
        self.revision += 1;
        let revision = self.revision;
        let apply = |resource: GroupResource, name: &str, body: Value, delete: bool| {
            let item = seen(shorthand::object(&resource, "d", name, revision, &body))?;
            let delivery = if delete {
                Delivery::Delete(item)
            } else {
                Delivery::Apply(item)
            };
            Ok::<_, String>(vec![Input::Seen(resource, delivery)])
        };
        match words.at(0)? {
            // Both resources listed, empty.
            "listed" => Ok([kinds::pods(), kinds::replicasets()]
                .map(|resource| Input::Seen(resource, shorthand::empty(revision)))
                .into()),
            // The pods listed again, empty, at a revision.
            "relisted" => {
                self.revision = words.number(1)?;
                Ok(vec![Input::Seen(
                    kinds::pods(),
                    shorthand::empty(self.revision),
                )])
            }
            "set" => apply(
                kinds::replicasets(),
                words.at(1)?,
                set_body(words.at(1)?, &words),
                false,
            ),
            "set-gone" => apply(
                kinds::replicasets(),
                words.at(1)?,
                set_body(words.at(1)?, &words),
                true,
            ),
            "pod" => apply(
                kinds::pods(),
                words.at(1)?,
                pod_body(words.at(1)?, revision, &words),
                false,
            ),
            "pod-gone" => apply(
                kinds::pods(),
                words.at(1)?,
                pod_body(words.at(1)?, revision, &words),
                true,
            ),
            // answer SET INDEX ok@REVISION|lost|REASON words… [pod=NAME | live-uid=UID [deleting]]
            "answer" => {
                let about = match (words.get("pod"), words.get("live-uid")) {
                    (Some(pod), _) => Some(shorthand::object(
                        &kinds::pods(),
                        "d",
                        pod,
                        revision,
                        &json!({}),
                    )),
                    (_, Some(uid)) => {
                        let mut live = set_body(words.at(1)?, &words);
                        live["metadata"]["uid"] = json!(uid);
                        Some(shorthand::object(
                            &kinds::replicasets(),
                            "d",
                            words.at(1)?,
                            revision,
                            &live,
                        ))
                    }
                    _ => None,
                };
                let answer = shorthand::answer(&words.plain[3..], about)?;
                let index = words.number(2)? as u32;
                Ok(vec![Input::Answered(set_key(words.at(1)?), index, answer)])
            }
            other => Err(format!("unknown command {other}")),
        }
    }
}

impl Player for ReplicaSetPlayer {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let mut answers = Vec::new();
        for line in command.lines() {
            if let Some(rest) = line.strip_prefix("fire ") {
                let (kind, name) = rest.split_once(' ').ok_or("fire TIMER SET")?;
                let timer = format!("{kind}({:?})", set_key(name));
                answers.push(self.rig.fire(phase, &timer)?);
                continue;
            }
            if let Some(at) = line.strip_prefix("at ") {
                self.rig.now = Now(at.parse::<u64>().map_err(|error| error.to_string())? * 1000);
                continue;
            }
            for input in self.line(line)? {
                answers.push(self.rig.step(phase, input));
            }
        }
        self.transitions.borrow_mut().extend(self.rig.transitions());
        let answers = shorthand::shorten(&answers.join("\n"));
        let shown = answers.lines().filter(|line| !line.starts_with("Saw "));
        Ok(shown.collect::<Vec<_>>().join("\n"))
    }
}

#[test]
fn scenarios_and_transitions() {
    let transitions = Rc::new(RefCell::new(BTreeSet::new()));
    scenario::play_all("replicaset", || ReplicaSetPlayer {
        rig: Rig::new(Controller::new(ReplicaSets)).0,
        revision: 0,
        transitions: transitions.clone(),
    });
    let rows: Vec<String> = transitions.borrow().iter().cloned().collect();
    insta::assert_snapshot!(rows.join("\n"));
}

/// What stands for an object that cannot be read is of its own kind: anything else would be taken for another's.
#[test]
fn what_cannot_be_read_is_absent_as_what_it_is() {
    assert!(matches!(ReplicaSets.absent(&kinds::pods()), Seen::Pod(_)));
    let set = ReplicaSets.absent(&kinds::replicasets());
    assert!(matches!(set, Seen::ReplicaSet(_)));
}
