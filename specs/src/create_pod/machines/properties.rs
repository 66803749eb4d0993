//! What must hold of the machines; the table is in the README of the specification.

use model::machines::kubelet::pod::Phase;
use model::machines::scheduler::Progress;

use super::objects::Thing;
use super::{MachinesWorld, State, Suite, node_name};
use crate::checked::Checked;
use crate::create_pod::pod::{Object, Pod};
use crate::world::Property;

/// Every property, in the order of the table.
pub fn properties<M: Suite>() -> Vec<Property<MachinesWorld<M>>> {
    vec![
        Property::always("refines the create-pod specification", refines),
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
        Property::sometimes("a binding is refused", a_binding_is_unknown),
        Property::sometimes("a pod is removed because its node is gone", collected),
        Property::sometimes("a pod ends well", ends_well),
        Property::sometimes("a stale view makes a pod too many", one_too_many),
    ]
}

fn refines<M: Suite>(_: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    state.heard.refused.is_none()
}

fn every_write_answered<M: Suite>(_: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    state.heard.state.writes.is_empty()
}

fn bound_once<M: Suite>(_: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    !state.bound_again
}

fn phases_go_forward<M: Suite>(_: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    !state.went_back
}

/// The pods whose containers run, by node.
fn running(state: &State) -> impl Iterator<Item = (usize, &str)> {
    let nodes = state.nodes.iter().enumerate();
    nodes.flat_map(|(node, it)| it.host.running().map(move |uid| (node, uid)))
}

fn runs_where_bound<M: Suite>(_: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    running(state).all(|(node, uid)| {
        let history = state.histories.get(uid);
        history.is_some_and(|history| history.node == node_name(node))
    })
}

fn at_most_one<M: Suite>(world: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    let world = &world.world;
    let name = |uid: &str| {
        let mut pods = 0..world.plan.len();
        pods.find(|pod| world.uid(*pod) == uid)
            .map(|pod| world.plan[pod].name)
    };
    let mut names: Vec<_> = running(state).map(|(_, uid)| name(uid)).collect();
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1])
}

fn no_overcommit<M: Suite>(world: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    let mut nodes = state.nodes.iter();
    nodes.all(|node| {
        let process = node.kubelet.process.iter();
        let records = process.flat_map(|process| process.state.pods.values());
        // Every pod asks for the same.
        let holders = records.filter(|record| record.holds_resources());
        holders.count() <= world.world.room as usize
    })
}

fn removed_runs_nowhere<M: Suite>(_: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    running(state).all(|(_, uid)| state.store.pod(uid).is_some())
}

fn name_used_again<M: Suite>(world: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    let world = &world.world;
    (0..state.created).any(|pod| {
        let before = |other: usize| {
            world.plan[other].name == world.plan[pod].name
                && state.store.pod(&world.uid(other)).is_none()
        };
        let object = state.store.pod(&world.uid(pod));
        object.is_some_and(|it| it.status.phase == Phase::Running) && (0..pod).any(before)
    })
}

fn a_binding_is_unknown<M: Suite>(_: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    let mut assumed = state.schedulers.iter().flat_map(|at| at.assumed());
    assumed.any(|assumed| assumed.progress == Progress::Unknown)
}

fn collected<M: Suite>(_: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    let collected =
        |pod: &Pod| pod.object == Object::Removed && pod.node.is_some() && !pod.removal_asked;
    state.heard.state.pods.values().any(collected)
}

fn ends_well<M: Suite>(_: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    let well = |pod: &Thing| pod.status.phase == Phase::Succeeded;
    state.store.pods().any(|(_, pod)| well(pod))
}

/// Only a controller that lists what was makes more pods than are asked for: deletions are not part of these worlds.
fn one_too_many<M: Suite>(world: &Checked<MachinesWorld<M>>, state: &State) -> bool {
    let replicas = world.world.replicas;
    replicas > 0 && state.created > replicas
}
