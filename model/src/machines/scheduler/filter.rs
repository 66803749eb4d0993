//! Whether a pod fits a node: upstream's default filter plugins, in their order.

use std::collections::BTreeMap;

use crate::machines::scheduler::cache::NodeInfo;
use crate::machines::scheduler::view::{Demand, HostPort, NodeView};
use crate::rules::taints::{self, NO_EXECUTE, NO_SCHEDULE, Taint, UNSCHEDULABLE};

/// Why a pod does not fit a node; empty if it does. The first filter that objects speaks.
pub(super) fn objections(
    demand: &Demand,
    name: &str,
    info: &NodeInfo,
    node: &NodeView,
) -> Vec<String> {
    if let Some(objection) = rules(demand, name, info, node) {
        return vec![objection];
    }
    resources(demand, info, node)
}

/// Whether a pod fits a node. The same as no objections, without writing them.
pub(super) fn fits(demand: &Demand, name: &str, info: &NodeInfo, node: &NodeView) -> bool {
    has_room(demand, info, node) && rules(demand, name, info, node).is_none()
}

fn rules(demand: &Demand, name: &str, info: &NodeInfo, node: &NodeView) -> Option<String> {
    // NodeUnschedulable: cordoned, unless the taint that goes with it is tolerated.
    let cordoned = Taint {
        key: UNSCHEDULABLE.to_owned(),
        value: String::new(),
        effect: NO_SCHEDULE.to_owned(),
    };
    if node.unschedulable && !demand.tolerations.iter().any(|it| it.tolerates(&cordoned)) {
        return Some("node(s) were unschedulable".to_owned());
    }
    // TaintToleration.
    let hard = [NO_SCHEDULE, NO_EXECUTE];
    if let Some(taint) = taints::untolerated(&node.taints, &demand.tolerations, &hard) {
        return Some(format!("node(s) had untolerated taint {taint}"));
    }
    // NodeAffinity: the selector and the required affinity.
    let selected = demand
        .node_selector
        .iter()
        .all(|(key, value)| node.labels.get(key) == Some(value));
    let affine = demand
        .affinity
        .as_ref()
        .is_none_or(|it| it.matches(name, node));
    if !selected || !affine {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    // NodePorts.
    if demand.ports.iter().any(|port| taken(port, info)) {
        return Some("node(s) didn't have free ports for the requested pod ports".to_owned());
    }
    None
}

/// A port is taken by the same port and protocol on the same address, or if one of the two wants all addresses.
fn taken(port: &HostPort, info: &NodeInfo) -> bool {
    let all = "0.0.0.0";
    let same_port = HostPort {
        address: String::new(),
        protocol: String::new(),
        ..port.clone()
    };
    info.ports
        .range(same_port..)
        .map(|(other, _)| other)
        .take_while(|other| other.port == port.port)
        .filter(|other| other.protocol == port.protocol)
        .any(|other| other.address == port.address || other.address == all || port.address == all)
}

fn has_room(demand: &Demand, info: &NodeInfo, node: &NodeView) -> bool {
    let (asked, has, taken) = (&demand.requests, &node.allocatable, &info.taken);
    let enough =
        |asked: i64, has: i64, taken: i64| asked == 0 || asked <= has.saturating_sub(taken);
    (info.pods.len() as i64) < has.pods
        && enough(asked.milli_cpu, has.milli_cpu, taken.milli_cpu)
        && enough(asked.memory, has.memory, taken.memory)
        && enough(
            asked.ephemeral_storage,
            has.ephemeral_storage,
            taken.ephemeral_storage,
        )
        && asked.extended.iter().all(|(name, amount)| {
            let of = |list: &BTreeMap<String, i64>| list.get(name).copied().unwrap_or(0);
            enough(*amount, of(&has.extended), of(&taken.extended))
        })
}

/// NodeResourcesFit: every resource that is short.
fn resources(demand: &Demand, info: &NodeInfo, node: &NodeView) -> Vec<String> {
    let (asked, has, taken) = (&demand.requests, &node.allocatable, &info.taken);
    let mut short = Vec::new();
    if info.pods.len() as i64 >= has.pods {
        short.push("Too many pods".to_owned());
    }
    let mut check = |name: &str, asked: i64, has: i64, taken: i64| {
        if asked > 0 && asked > has.saturating_sub(taken) {
            short.push(format!("Insufficient {name}"));
        }
    };
    check("cpu", asked.milli_cpu, has.milli_cpu, taken.milli_cpu);
    check("memory", asked.memory, has.memory, taken.memory);
    check(
        "ephemeral-storage",
        asked.ephemeral_storage,
        has.ephemeral_storage,
        taken.ephemeral_storage,
    );
    for (name, amount) in &asked.extended {
        let of = |list: &BTreeMap<String, i64>| list.get(name).copied().unwrap_or(0);
        check(name, *amount, of(&has.extended), of(&taken.extended));
    }
    short
}

/// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had …` as `FitError.Error` writes it.
pub(super) fn message(nodes: usize, objections: impl IntoIterator<Item = String>) -> String {
    if nodes == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for objection in objections {
        *counts.entry(objection).or_insert(0) += 1;
    }
    let mut reasons: Vec<String> = counts
        .into_iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    reasons.sort();
    format!("0/{nodes} nodes are available: {}.", reasons.join(", "))
}
