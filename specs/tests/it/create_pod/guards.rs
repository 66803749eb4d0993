//! A run of one pod, told record for record; and what the specification says when one of them is another.

use model::actions::kubelet::{KubeletAction, PodName};
use model::actions::scheduler::SchedulerAction;
use model::actions::transaction::{Effect, TransactionAction};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::rules::resources::Requests;
use specs::create_pod::{Action, CreatePod};
use specs::specification::{Acceptor, Specification};

fn specification() -> CreatePod {
    let room = Requests {
        cpu_milli: 1,
        memory_bytes: 0,
    };
    CreatePod {
        allocatable: [("n".to_owned(), room)].into(),
        ..CreatePod::default()
    }
}

fn write(id: u64, uid: &str, expected: u64, revision: u64, effect: Effect) -> Vec<Action> {
    let (key, uid) = (ObjectKey::new(kinds::pods(), "d", "a"), uid.to_owned());
    let verb = "any".to_owned();
    let actions = [
        TransactionAction::Submitted {
            id,
            verb,
            key: key.clone(),
        },
        TransactionAction::Attempted {
            id,
            key: key.clone(),
            uid: uid.clone(),
            expected,
            effect: effect.clone(),
        },
        TransactionAction::Committed {
            id,
            key,
            uid,
            revision,
            effect,
        },
    ];
    actions.map(|action| Action::ApiServer(0, action)).to_vec()
}

fn pod(uid: &str) -> PodName {
    PodName {
        namespace: "d".to_owned(),
        name: "a".to_owned(),
        uid: uid.to_owned(),
    }
}

fn kubelet(action: KubeletAction) -> Vec<Action> {
    vec![Action::Kubelet("n".to_owned(), action)]
}

fn bound(node: &str) -> Effect {
    let node = node.to_owned();
    Effect::Bound { node }
}

fn admitted(uid: &str) -> Vec<Action> {
    kubelet(KubeletAction::PodAdmitted {
        pod: pod(uid),
        cpu_milli: 1,
        memory_bytes: 0,
    })
}

fn starting(uid: &str) -> Vec<Action> {
    kubelet(KubeletAction::ContainerStarting {
        pod: pod(uid),
        container: "main".to_owned(),
        attempt: 0,
    })
}

fn reporting(phase: &str) -> Vec<Action> {
    kubelet(KubeletAction::StatusReporting {
        pod: pod("1"),
        phase: phase.to_owned(),
    })
}

/// A pod that runs, is deleted, and gone.
fn run() -> Vec<Vec<Action>> {
    let stopped = kubelet(KubeletAction::PodStopped { pod: pod("1") });
    let deletion = kubelet(KubeletAction::DeletionSeen {
        pod: pod("1"),
        grace_s: 30,
    });
    vec![
        write(1, "1", 0, 5, Effect::Created),
        write(2, "1", 5, 6, bound("n")),
        admitted("1"),
        starting("1"),
        reporting("Running"),
        write(3, "1", 6, 7, Effect::Updated),
        kubelet(KubeletAction::StatusReported { pod: pod("1") }),
        write(4, "1", 7, 8, Effect::Deleting),
        deletion,
        stopped,
        kubelet(KubeletAction::RemovalAsked { pod: pod("1") }),
        write(5, "1", 8, 9, Effect::Deleted),
        kubelet(KubeletAction::PodRemoved { pod: pod("1") }),
        kubelet(KubeletAction::PodForgotten { pod: pod("1") }),
    ]
}

/// The guard that refuses a run.
fn refusal(run: Vec<Vec<Action>>) -> Option<&'static str> {
    refusal_by(&specification(), run)
}

fn refusal_by(specification: &CreatePod, run: Vec<Vec<Action>>) -> Option<&'static str> {
    let mut acceptor = Acceptor::new(specification);
    for action in run.iter().flatten() {
        let before = acceptor.state.clone();
        if !acceptor.accept(specification, action) {
            assert_eq!(acceptor.state, before, "a refusal changes nothing");
        }
    }
    acceptor.refused.map(|refused| refused.guard)
}

/// The first `keep` records of the run, and then these.
fn then(keep: usize, more: &[Vec<Action>]) -> Option<&'static str> {
    let mut records = run();
    records.truncate(keep);
    records.extend_from_slice(more);
    refusal(records)
}

#[test]
fn a_whole_run_is_accepted() {
    assert_eq!(refusal(run()), None);
    assert!(specification().begin().pods.is_empty());
}

#[test]
fn a_pod_may_be_created_on_a_node() {
    let begun_on = |node: &str| {
        let node = node.to_owned();
        let placed = write(1, "1", 0, 5, Effect::Placed { node });
        refusal(vec![placed, admitted("1"), starting("1")])
    };
    assert_eq!(begun_on("n"), None);
    assert_eq!(begun_on("m"), Some("only the kubelet of its node acts"));
}

/// Nobody knows whether the pod was created on its node; its kubelet does. A new process of that kubelet, whose runtime
/// has nothing of the pod any more, has it removed (seed 21046 of the simulation).
#[test]
fn a_kubelet_that_acts_tells_where_a_pod_is() {
    let node = "n".to_owned();
    let mut placed = write(1, "1", 0, 5, Effect::Placed { node });
    placed.pop();
    let unknown = Action::ApiServer(0, TransactionAction::Unknown { id: 1 });
    let listed = kubelet(KubeletAction::RuntimeListed { running: 0 });
    let removal = kubelet(KubeletAction::RemovalAsked { pod: pod("1") });
    let begun = vec![placed, vec![unknown], admitted("1"), starting("1")];
    let ends = |between: &[Vec<Action>]| {
        let mut records = begun.clone();
        records.extend_from_slice(between);
        records.push(removal.clone());
        refusal(records)
    };
    let restarted = vec![Action::KubeletStarted("n".to_owned())];
    assert_eq!(ends(&[restarted, listed]), None);
    assert_eq!(ends(&[]), Some("removal asked for only of what has ended"));
}

/// A pod that runs is removed by force, another of its name runs elsewhere, and the first one's kubelet goes on until it
/// sees that.
#[test]
fn what_was_removed_by_force_is_not_held_against_its_kubelet() {
    let of_other_node = |actions: Vec<Action>| -> Vec<Action> {
        let moved = actions.into_iter().map(|action| match action {
            Action::Kubelet(_, action) => Action::Kubelet("m".to_owned(), action),
            action => action,
        });
        moved.collect()
    };
    let sandbox = KubeletAction::SandboxCreating {
        pod: pod("1"),
        attempt: 1,
    };
    let mut records = run();
    records.truncate(4);
    records.extend([
        write(3, "1", 6, 7, Effect::Deleted),
        write(4, "2", 0, 8, Effect::Created),
        write(5, "2", 8, 9, bound("m")),
        of_other_node(admitted("2")),
        of_other_node(starting("2")),
        kubelet(sandbox.clone()),
    ]);
    let mut forced = specification();
    assert_eq!(
        refusal_by(&forced, records.clone()),
        Some("removed only with proof")
    );
    forced.pod.users_may_force = true;
    assert_eq!(refusal_by(&forced, records.clone()), None);
    records.extend([
        kubelet(KubeletAction::PodGone { pod: pod("1") }),
        kubelet(sandbox),
    ]);
    assert_eq!(
        refusal_by(&forced, records),
        Some("nothing starts once its end was learnt")
    );
}

#[test]
fn each_guard_refuses_what_it_is_there_for() {
    let other_node = Action::Kubelet(
        "m".to_owned(),
        match &starting("1")[0] {
            Action::Kubelet(_, action) => action.clone(),
            _ => unreachable!("a kubelet's action"),
        },
    );
    let believed = Action::Scheduler(SchedulerAction::Bound {
        pod: ObjectKey::new(kinds::pods(), "d", "a"),
        uid: "1".to_owned(),
        node: "m".to_owned(),
    });
    let committed = |index: usize| vec![run()[index][2].clone()];
    let removal = kubelet(KubeletAction::RemovalAsked { pod: pod("1") });
    let forgotten = kubelet(KubeletAction::PodForgotten { pod: pod("1") });
    let gone = kubelet(KubeletAction::PodGone { pod: pod("1") });
    let submitted = vec![write(9, "1", 0, 0, Effect::Updated)[0].clone()];
    let cases: Vec<(usize, Vec<Vec<Action>>, &str)> = vec![
        (0, vec![submitted.clone(), submitted], "submitted once"),
        (1, vec![committed(0)], "one answer a write"),
        (
            1,
            vec![write(2, "1", 5, 6, Effect::Created)],
            "created once",
        ),
        (
            1,
            vec![write(2, "2", 0, 6, Effect::Created)],
            "one object of a name",
        ),
        (
            2,
            vec![write(3, "1", 5, 7, Effect::Updated)],
            "compare and swap",
        ),
        (
            2,
            vec![write(3, "1", 6, 6, Effect::Updated)],
            "revisions grow",
        ),
        (
            12,
            vec![write(6, "1", 9, 10, Effect::Updated)],
            "only what is there is written",
        ),
        (2, vec![write(3, "1", 6, 7, bound("m"))], "bound once"),
        (
            1,
            vec![
                write(2, "1", 5, 6, Effect::Deleting),
                write(3, "1", 6, 7, bound("n")),
            ],
            "bound only while it is wanted",
        ),
        (2, vec![vec![believed]], "believes only bindings that are"),
        (
            3,
            vec![vec![other_node]],
            "only the kubelet of its node acts",
        ),
        (3, vec![gone], "a kubelet believes what is so"),
        (2, vec![starting("1")], "started only once admitted"),
        (4, vec![starting("1")], "one instance at a time"),
        (
            9,
            vec![starting("1")],
            "nothing starts once its end was learnt",
        ),
        (
            12,
            vec![starting("1")],
            "starts only while its UID is current",
        ),
        (7, vec![reporting("Pending")], "phases only go forward"),
        (3, vec![reporting("Lost")], "phases are the four"),
        (9, vec![removal], "removal asked for only of what has ended"),
        (4, vec![forgotten], "forgotten only once ended"),
        (
            4,
            vec![kubelet(KubeletAction::NodeStopped)],
            "a node has stopped only once its pods have",
        ),
        (
            9,
            vec![write(5, "1", 8, 9, Effect::Deleted)],
            "removed only with proof",
        ),
    ];
    for (keep, more, guard) in cases {
        assert_eq!(
            then(keep, &more),
            Some(guard),
            "{keep} records, then {more:?}"
        );
    }
}

#[test]
fn a_node_is_not_overcommitted_and_a_name_not_alive_twice() {
    let other = |effect, expected, revision| -> Vec<Action> {
        let renamed = |action: Action| match action {
            Action::ApiServer(
                server,
                TransactionAction::Attempted {
                    id,
                    uid,
                    expected,
                    effect,
                    ..
                },
            ) => {
                let key = ObjectKey::new(kinds::pods(), "d", "b");
                Action::ApiServer(
                    server,
                    TransactionAction::Attempted {
                        id,
                        key,
                        uid,
                        expected,
                        effect,
                    },
                )
            }
            Action::ApiServer(
                server,
                TransactionAction::Committed {
                    id,
                    uid,
                    revision,
                    effect,
                    ..
                },
            ) => {
                let key = ObjectKey::new(kinds::pods(), "d", "b");
                Action::ApiServer(
                    server,
                    TransactionAction::Committed {
                        id,
                        key,
                        uid,
                        revision,
                        effect,
                    },
                )
            }
            action => action,
        };
        write(8, "2", expected, revision, effect)
            .into_iter()
            .map(renamed)
            .collect()
    };
    let created = other(Effect::Created, 0, 20);
    let bound = other(bound("n"), 20, 21);
    let over = then(4, &[created.clone(), bound.clone(), admitted("2")]);
    assert_eq!(over, Some("admitted pods never overcommit a node"));
    // The room of a pod that is gone is free again.
    assert_eq!(then(14, &[created, bound, admitted("2")]), None);
}
