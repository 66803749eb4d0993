//! What must hold of the path of a pod; the table is in the README beside this file.
//!
//! They look at what is, not at what was said: the specification's guards look at that, and the first property says
//! that none of them refused.

use model::machines::kubelet::pod::Phase;

use super::pod::Object;
use super::world::{Admission, Assumed, CreatePodWorld, Doing, Gc, PODS, State};
use crate::checked::Checked;
use crate::world::Property;

type World = Checked<CreatePodWorld>;

/// Every property, in the order of the table.
pub fn properties() -> Vec<Property<CreatePodWorld>> {
    vec![
        Property::always("every step is one of the specification", nothing_refused),
        Property::always("one answer a write", every_write_answered),
        Property::always("a pod is bound once", bound_once),
        Property::always(
            "a container runs only where its pod is bound",
            runs_where_bound,
        ),
        Property::always("never two live containers of one name", at_most_one),
        Property::always("admitted pods never overcommit a node", no_overcommit),
        Property::always("phases only go forward", phases_go_forward),
        Property::always("what is removed runs nowhere", removed_runs_nowhere),
        Property::sometimes("a name is used again and runs", name_used_again),
        Property::sometimes("a pod is refused for want of room", a_pod_is_refused),
        Property::sometimes("a binding is refused", a_binding_is_unknown),
        Property::sometimes("a pod is removed because its node is gone", collected),
        Property::sometimes(
            "a node returns to a pod that is being collected",
            returns_in_time,
        ),
        Property::sometimes("a pod ends well", ends_well),
    ]
}

fn nothing_refused(_: &World, state: &State) -> bool {
    state.heard.refused.is_none()
}

fn every_write_answered(_: &World, state: &State) -> bool {
    state.heard.state.writes.is_empty()
}

fn bound_once(_: &World, state: &State) -> bool {
    state.bindings.iter().all(|times| *times <= 1)
}

fn runs_where_bound(_: &World, state: &State) -> bool {
    (0..state.hosts.len()).all(|node| {
        let bound = |pod: usize| state.api.pods[pod].node.map(usize::from) == Some(node);
        (0..PODS).all(|pod| !may_be_alive(state, node, pod) || bound(pod))
    })
}

/// Whether a container runs, or is being started.
fn may_be_alive(state: &State, node: usize, pod: usize) -> bool {
    state.hosts[node].lives[pod].alive() || starting(state, node, pod)
}

fn starting(state: &State, node: usize, pod: usize) -> bool {
    state.kubelets[node].work[pod].doing == Doing::Starting
}

fn at_most_one(world: &World, state: &State) -> bool {
    let plan = &world.world.plan;
    let alive = |pod: usize| {
        let nodes = 0..state.hosts.len();
        nodes.filter(|node| may_be_alive(state, *node, pod)).count()
    };
    (0..plan.len()).all(|pod| {
        let namesakes = (0..plan.len()).filter(|other| plan[*other].name == plan[pod].name);
        namesakes.map(alive).sum::<usize>() <= 1
    })
}

fn no_overcommit(world: &World, state: &State) -> bool {
    (0..state.hosts.len()).all(|node| {
        let (kubelet, host) = (&state.kubelets[node], &state.hosts[node]);
        let holders = (0..PODS).filter(|pod| kubelet.holds_room(*pod, host));
        holders.count() <= world.world.room
    })
}

fn phases_go_forward(_: &World, state: &State) -> bool {
    !state.went_back
}

fn removed_runs_nowhere(_: &World, state: &State) -> bool {
    let removed = |pod: &usize| state.api.pods[*pod].object == Object::Removed;
    (0..PODS)
        .filter(removed)
        .all(|pod| (0..state.hosts.len()).all(|node| !may_be_alive(state, node, pod)))
}

fn name_used_again(world: &World, state: &State) -> bool {
    let plan = &world.world.plan;
    (0..plan.len()).any(|pod| {
        let before = |other: usize| {
            plan[other].name == plan[pod].name && state.api.pods[other].object == Object::Removed
        };
        state.api.pods[pod].phase == Phase::Running && (0..pod).any(before)
    })
}

fn a_pod_is_refused(_: &World, state: &State) -> bool {
    let mut work = state.kubelets.iter().flat_map(|kubelet| &kubelet.work);
    work.any(|work| work.admission == Admission::Rejected && work.told == Phase::Failed)
}

fn a_binding_is_unknown(_: &World, state: &State) -> bool {
    let mut assumed = state.schedulers.iter().flat_map(|at| &at.assumed);
    assumed.any(|assumed| matches!(assumed, Assumed::Unknown(_)))
}

fn collected(_: &World, state: &State) -> bool {
    let collected = |pod: &super::Pod| {
        pod.object == Object::Removed && pod.node.is_some() && !pod.removal_asked
    };
    state.heard.state.pods.values().any(collected)
}

fn returns_in_time(_: &World, state: &State) -> bool {
    let returned =
        |node: usize| matches!(state.gc[node], Gc::StillMissed(_)) && state.api.nodes[node];
    (0..state.gc.len()).any(returned)
}

fn ends_well(_: &World, state: &State) -> bool {
    let mut pods = state.api.pods.iter();
    pods.any(|pod| pod.phase == Phase::Succeeded)
}
