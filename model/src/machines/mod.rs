//! The machines, one folder each: `input.rs`, `output.rs`, `state.rs`, `step.rs`; their actions are in
//! [`crate::actions`].

pub mod controller;
pub mod garbage_collector;
pub mod kubelet;
pub mod namespace;
pub mod pod_gc;
pub mod reflector;
pub mod relay;
pub mod replicaset;
pub mod scheduler;
pub mod serviceaccount;
pub mod store;
pub mod supervisor;
pub mod transaction;
pub mod watch_cache;
pub mod workqueue;
