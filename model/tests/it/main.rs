//! Scenario files, properties and snapshots of the machines.

mod quantity;
mod reflector;
mod replicaset;
mod scenario;
mod scheduler;
mod shorthand;
mod store_model;
mod supervisor;
mod workqueue;
