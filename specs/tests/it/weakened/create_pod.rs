//! The guards of a pod's path.

use model::rules::resources::Requests;
use specs::checked::Checked;
use specs::create_pod::machines::{MachinesWorld, Shipped, composed, stormy};
use specs::create_pod::world_of;
use specs::create_pod::{Action, CreatePod};
use specs::guards::heard;

use super::altered::altered;
use super::busy_kubelet::{self, Busy};
use super::{Look, Shown, first, gaps, runs, small};

fn word(action: &Action) -> String {
    match action {
        Action::ApiServer(_, action) => first(action),
        Action::Scheduler(action) => first(action),
        Action::Kubelet(_, action) => first(action),
        Action::KubeletStarted(_) => first(action),
    }
}

fn altered_inside(action: &Action) -> Vec<Action> {
    match action {
        Action::ApiServer(server, action) => {
            let altered = altered(action).into_iter();
            altered
                .map(|action| Action::ApiServer(*server, action))
                .collect()
        }
        Action::Scheduler(action) => altered(action).into_iter().map(Action::Scheduler).collect(),
        Action::Kubelet(node, action) => {
            let altered = altered(action).into_iter();
            altered
                .map(|action| Action::Kubelet(node.clone(), action))
                .collect()
        }
        Action::KubeletStarted(_) => Vec::new(),
    }
}

#[test]
fn guards_of_create_pod() {
    let one_pod = Requests {
        cpu_milli: 1,
        memory_bytes: 0,
    };
    let nodes = [0, 1].map(|node| (format!("node-{node}"), one_pod));
    let look = Look {
        specification: CreatePod {
            allocatable: nodes.into(),
            ..CreatePod::default()
        },
        tries: 80,
        word,
        altered: altered_inside,
    };
    let mut shown = Shown::default();
    let stormy = MachinesWorld {
        deletable: 2,
        ..stormy(Shipped)
    };
    shown.weaken(&look, &runs::<CreatePod, _>(&Checked::new(stormy), 80, 150));
    let composed = Checked::new(composed(Shipped));
    shown.weaken(&look, &runs::<CreatePod, _>(&composed, 20, 150));
    let abstract_world = Checked::new(world_of("stormy"));
    shown.weaken(&look, &runs::<CreatePod, _>(&abstract_world, 80, 200));
    for users_may_force in [false, true] {
        let look = Look {
            specification: busy_kubelet::specification(users_may_force),
            ..look
        };
        let busy = |seed| heard(|| Busy::begin(seed, users_may_force).goes_on(300));
        shown.weaken(&look, &(0..60).map(busy).collect::<Vec<_>>());
    }
    shown.weaken(&look, &[small::event()]);
    insta::assert_snapshot!(gaps::table("create-pod", &shown));
    gaps::hold("create-pod", &shown);
}
