//! Scenario files, properties and snapshots of the machines.

mod patch;
mod kubelet;
mod kubelet_walk;
mod quantity;
mod reflector;
mod replicaset;
mod scenario;
mod scheduler;
mod selector;
mod shorthand;
mod store_model;
mod supervisor;
mod time;
mod workqueue;
