//! Scenario files, properties and snapshots of the machines.

mod quantity;
mod reflector;
mod replicaset;
mod scenario;
mod supervisor;
mod shorthand;
mod workqueue;
mod store_model;
