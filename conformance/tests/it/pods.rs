//! The create-pod suite on made-up sessions: silent on a cluster that keeps its promises, loud on each that is broken.

use conformance::suite::Outcome;
use conformance::suite::observed::{Answer, EventKind};
use conformance::suite::pods::{
    Create, Delete, NodeSeen, PodSeen, Promise, Replacement, Session, judge,
};
use serde_json::json;

const SECOND: u64 = 1_000_000;

fn pod(revision: u64, name: &str, uid: &str, kind: EventKind) -> PodSeen {
    let pod = json!({
        "metadata": {"name": name, "namespace": "own", "uid": uid, "resourceVersion": revision.to_string()},
        "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}]},
        "status": {"phase": "Pending"},
    });
    PodSeen::of(&pod, kind, revision * SECOND).expect("a pod")
}

/// A pod from its creation to its end, from a revision on.
fn life(revision: u64, name: &str, uid: &str) -> Vec<PodSeen> {
    let created = pod(revision, name, uid, EventKind::Added);
    let bound = PodSeen {
        node: "node-1".to_owned(),
        ..pod(revision + 1, name, uid, EventKind::Modified)
    };
    let runs = PodSeen {
        revision: revision + 2,
        at_us: (revision + 2) * SECOND,
        phase: "Running".to_owned(),
        ready: true,
        ..bound.clone()
    };
    let ends = PodSeen {
        revision: revision + 3,
        at_us: (revision + 3) * SECOND,
        ending: true,
        ready: false,
        ..runs.clone()
    };
    let gone = PodSeen {
        revision: revision + 4,
        at_us: (revision + 4) * SECOND,
        kind: EventKind::Deleted,
        ..ends.clone()
    };
    vec![created, bound, runs, ends, gone]
}

fn create(name: &str, uid: &str, race: u64, answer: Answer) -> Create {
    Create {
        began_us: 0,
        ended_us: SECOND,
        name: name.to_owned(),
        race,
        answer,
        uid: uid.to_owned(),
        fits: uid != "nowhere",
    }
}

/// What clients of an honest cluster write down: a pod, another of its name after it, one that fits nowhere.
fn session() -> Session {
    let mut pods = life(10, "one", "first");
    pods.extend(life(20, "one", "second"));
    let mut waits = pod(30, "nowhere", "nowhere", EventKind::Added);
    waits.why = "Unschedulable: no node matches".to_owned();
    pods.push(waits);
    Session {
        namespace: "own".to_owned(),
        creates: vec![
            create("one", "first", 1, Answer::Done(Some(10))),
            create("one", "", 1, Answer::Refused(409)),
            create("one", "second", 2, Answer::Done(Some(20))),
            create("nowhere", "nowhere", 3, Answer::Done(Some(30))),
        ],
        deletes: vec![Delete {
            ended_us: 12 * SECOND,
            uid: "first".to_owned(),
            name: "one".to_owned(),
            grace_seconds: 1,
            answer: Answer::Done(None),
        }],
        pods,
        nodes: vec![NodeSeen {
            kind: EventKind::Added,
            revision: 1,
            name: "node-1".to_owned(),
            cpu_milli: 900,
            memory_bytes: 4 << 30,
            pods: 10,
        }],
        replaced: vec![Replacement {
            uid: "first".to_owned(),
            replicas: 1,
            ready: vec!["second".to_owned()],
        }],
        gaps: 0,
        ended_us: 40 * SECOND,
        patience_us: 5 * SECOND,
    }
}

#[test]
fn an_honest_cluster_is_not_accused_and_every_promise_is_seen() {
    for verdict in judge(&session()) {
        assert_eq!(verdict.outcome(), Outcome::Kept, "{verdict:#?}");
    }
}

#[test]
fn where_nothing_is_seen_nothing_is_claimed() {
    for verdict in judge(&Session::default()) {
        assert_eq!(verdict.outcome(), Outcome::Inconclusive, "{verdict:#?}");
    }
}

type Fault = (Promise, fn(&mut Session));

/// What a cluster may do wrong, and the promise that it breaks. Events 0 to 4 are of the first pod, 5 to 9 of the second.
const FAULTS: &[Fault] = &[
    (Promise::OneAnswer, |session| {
        session.creates[1].answer = Answer::Done(Some(11));
        session.creates[1].uid = "third".to_owned();
    }),
    (Promise::OneAnswer, |session| {
        session.creates[2].uid = "lost".to_owned()
    }),
    (Promise::BoundOnce, |session| {
        session.pods[2].node = "node-2".to_owned()
    }),
    (Promise::BoundOnce, |session| {
        session.pods[2].node = String::new()
    }),
    (Promise::Forward, |session| {
        session.pods[3].phase = "Pending".to_owned()
    }),
    (Promise::Forward, |session| {
        session.pods[2].phase = "Failed".to_owned();
        session.pods[3].phase = "Succeeded".to_owned();
    }),
    (Promise::OneOfAName, |session| {
        session.pods.swap(4, 5);
    }),
    (Promise::NodeExists, |session| session.nodes.clear()),
    (Promise::NotOvercommitted, |session| {
        let other = PodSeen {
            namespace: "others".to_owned(),
            node: "node-1".to_owned(),
            ..pod(5, "other", "other", EventKind::Added)
        };
        session.pods.insert(0, other);
    }),
    (Promise::NotOvercommitted, |session| {
        session.nodes[0].memory_bytes = 1 << 20
    }),
    (Promise::ReadyOrWhy, |session| {
        session.pods.truncate(7);
    }),
    (Promise::WaitsAndSaysWhy, |session| {
        session.pods[10].node = "node-1".to_owned();
    }),
    (Promise::WaitsAndSaysWhy, |session| {
        session.pods[10].why.clear()
    }),
    (Promise::EndsFirst, |session| {
        session.pods.remove(3);
    }),
    (Promise::GoneInTime, |session| {
        session.pods.remove(4);
    }),
    (Promise::Replaced, |session| {
        session.replaced[0].ready.clear()
    }),
];

#[test]
fn every_fault_is_caught_by_the_promise_that_it_breaks() {
    for (number, (promise, break_it)) in FAULTS.iter().enumerate() {
        let mut broken = session();
        break_it(&mut broken);
        let mut verdicts = judge(&broken).into_iter();
        let verdict = verdicts.find(|verdict| verdict.promise == *promise);
        assert!(
            verdict.is_some_and(|verdict| verdict.outcome() == Outcome::Broken),
            "fault {number}: {promise:?} stands"
        );
    }
    let all = FAULTS.iter().map(|(promise, _)| promise);
    let all: std::collections::BTreeSet<_> = all.collect();
    assert_eq!(all.len(), Promise::ALL.len(), "every promise has a fault");
}
