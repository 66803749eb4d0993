//! Random walks of the kubelet's machine through a world that crashes, loses events and changes its mind.
//!
//! The world is a runtime that really has containers or not, and an API of pods that come, are deleted gracefully or
//! by force, and come again under the same name. What must hold is looked at after every step (VERIFICATION.md,
//! create-pod and at-most-one).

mod answers;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use model::machine::Now;
use model::machines::kubelet::pod::Pod;
use model::machines::kubelet::{Admission, Kubelet, Output, SandboxReport, State, Timer};
use proptest::prelude::*;

/// One choice of the world.
#[derive(Clone, Debug)]
enum Choice {
    /// A new pod of one of two names.
    Create(u8, u16),
    /// A graceful deletion is asked for.
    Delete(u8),
    /// A pod is removed without grace.
    Force(u8),
    /// The informer tells the oldest change it has not told.
    Tell,
    /// The n-th outstanding request ends well.
    Well(u8),
    /// The n-th outstanding request ends badly.
    Badly(u8),
    /// A container ends by itself, the event is told or lost.
    Exit(u8, bool),
    /// A sandbox dies with its containers.
    Die(u8),
    /// A pending timer fires.
    Fire(u8),
    /// The kubelet is killed and started again.
    Crash,
}

/// A change of the API that the informer has yet to tell.
#[expect(
    clippy::large_enum_variant,
    reason = "a few of them live at a time, in tests"
)]
#[derive(Clone, Debug)]
enum Change {
    Applied(u64, Pod),
    Gone(u64, String),
}

struct World {
    machine: Kubelet,
    state: State,
    now: Now,
    timers: BTreeSet<Timer>,
    outstanding: Vec<Output>,
    /// The API: pods by UID, the revision of the last change, changes not told yet.
    api: BTreeMap<String, Pod>,
    revision: u64,
    untold: Vec<Change>,
    following: bool,
    /// The runtime: sandboxes by id, live containers (UID, name) with their attempt.
    sandboxes: BTreeMap<String, SandboxReport>,
    live: BTreeMap<(String, String), u32>,
    dead: BTreeMap<(String, String), u32>,
    /// What was seen: deletions told to the kubelet, phases written, pods created so far.
    told_deleting: BTreeSet<String>,
    phases: BTreeMap<String, u8>,
    created: u32,
    started: u32,
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        3 => (0..2u8, prop_oneof![Just(100u16), Just(900), Just(1500)]).prop_map(|(name, cpu)| Choice::Create(name, cpu)),
        2 => any::<u8>().prop_map(Choice::Delete),
        1 => any::<u8>().prop_map(Choice::Force),
        6 => Just(Choice::Tell),
        16 => any::<u8>().prop_map(Choice::Well),
        2 => any::<u8>().prop_map(Choice::Badly),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(which, told)| Choice::Exit(which, told)),
        1 => any::<u8>().prop_map(Choice::Die),
        3 => any::<u8>().prop_map(Choice::Fire),
        1 => Just(Choice::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// At most one, no start after the end was told, no overcommitment, phases forward: asserted on the way. At rest
    /// the runtime has exactly the pods that the API has and that were admitted, and every deletion is carried out.
    #[test]
    fn walks(choices in prop::collection::vec(choice(), 1..300)) {
        let mut world = World::new();
        for choice in choices {
            world.step(choice);
        }
        world.quiet();
        for (uid, pod) in &world.api {
            prop_assert!(!pod.deleting, "{uid} was deleted and is still there");
            let record = &world.state.pods[uid];
            let failed = record.inherited || matches!(record.admission, Admission::Rejected(_, _));
            let alive = world.live.keys().any(|(of, _)| of == uid);
            prop_assert!(alive != failed, "{uid}: alive {alive}, rejected {failed}");
        }
        for (uid, _) in world.live.keys() {
            prop_assert!(world.api.contains_key(uid), "{uid} is left over");
        }
        prop_assert_eq!(world.state.pods.len(), world.api.len());
    }
}

/// The walks go where it matters: containers start, and restarts of the kubelet find some alive.
#[test]
fn walks_start_containers() {
    let mut world = World::new();
    for choice in [Choice::Create(0, 100), Choice::Create(1, 100)] {
        world.step(choice);
    }
    world.quiet();
    assert_eq!(world.started, 2);
    world.step(Choice::Crash);
    world.quiet();
    assert_eq!(
        world.started, 2,
        "a restart of the kubelet starts nothing again"
    );
    assert_eq!(world.live.len(), 2);
}
