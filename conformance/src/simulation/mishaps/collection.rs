//! What goes wrong while the pods of a removed Node are collected.

use std::rc::Rc;
use std::time::Duration;

use model::machines::pod_gc::QUARANTINE_MS;
use tokio::time::sleep;

use super::Mishaps;
use crate::simulation::faults::Fault;
use crate::simulation::part::{Part, node_name};

/// How long before the collection it goes wrong at the earliest, in milliseconds.
const BEFORE_MS: u64 = 5;
/// How much later it goes wrong at the latest, in milliseconds: a collection takes about so long if nothing else is wrong.
const WITHIN_MS: u64 = 25;
/// The same for what takes a while itself.
const WITHIN_LATE_MS: u64 = 10;
/// How many pods are bound to the Node that is not there, one after another.
const LATE: usize = 6;
/// The longest that the controllers are cut off, in milliseconds: a connection breaks after three seconds of silence.
const CUT_OFF_MS: u64 = 15_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// A part dies that the pod GC needs.
    Killed(Part),
    /// It reaches the API server no more.
    CutOff,
    /// Somebody who has not heard of the removal binds pods to the node.
    Late,
}

impl Mishaps {
    /// The host of a node loses power, its Node is removed, and something goes wrong about when the pod GC collects its
    /// pods: it does that a quarantine later. One node at a time, so that the others go on.
    pub(super) fn collection(self: &Rc<Self>) {
        let random = &self.random;
        let number = random.between(1, self.cluster.nodes.len() as u64) as u8;
        if self.collecting.get() || !self.cluster.power_off(number) {
            return;
        }
        let disturbance = match random.below(6) {
            0 => Disturbance::Killed(Part::Apiserver),
            1 => Disturbance::Killed(Part::Store),
            2 => Disturbance::CutOff,
            _ => Disturbance::Late,
        };
        let within_ms = match disturbance {
            Disturbance::Late => WITHIN_LATE_MS,
            Disturbance::Killed(_) | Disturbance::CutOff => WITHIN_MS,
        };
        let after_ms = QUARANTINE_MS - BEFORE_MS + random.below(within_ms);
        tracing::info!(
            number,
            ?disturbance,
            "a node's host loses power, and its Node is removed"
        );
        self.collecting.set(true);
        let (this, mut over) = (self.clone(), self.over.subscribe());
        self.outages.borrow_mut().spawn_local(async move {
            let node = node_name(number);
            this.administrator.remove_node(&node).await;
            let disturbed = async {
                // Something is to be collected.
                this.administrator.bind_pod(&node).await;
                sleep(Duration::from_millis(after_ms)).await;
                tracing::info!(node, ?disturbance, "fault: pods are being collected");
                this.note(Fault::Collection);
                this.disturb(disturbance, &node).await;
                sleep(Duration::from_millis(this.random.between(200, 5_000))).await;
            };
            tokio::select! {
                biased;
                () = disturbed => {}
                _ = over.wait_for(|over| *over) => {}
            }
            tracing::info!(number, "a node's host has power again");
            this.cluster.power_on(number);
            this.collecting.set(false);
        });
    }

    async fn disturb(self: &Rc<Self>, disturbance: Disturbance, node: &str) {
        match disturbance {
            Disturbance::Killed(part) => self.cluster.kill(part, false),
            Disturbance::CutOff => {
                let (one, other) = (Part::Controllers.host(), Part::Apiserver.host());
                let cut_off = move |this: &Rc<Self>, cut_off| {
                    this.cluster.network.sever(one, other, cut_off);
                    this.cluster.network.sever(other, one, cut_off);
                };
                cut_off(self, true);
                self.later(CUT_OFF_MS, move |this| cut_off(this, false));
            }
            Disturbance::Late => {
                for _ in 0..LATE {
                    self.administrator.bind_pod(node).await;
                }
            }
        }
    }
}
