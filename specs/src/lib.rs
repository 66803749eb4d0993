#![doc = include_str!("../README.md")]

pub mod catalog;
pub mod checked;
pub mod counterexample;
pub mod create_pod;
pub mod graph;
pub mod guards;
pub mod histories;
pub mod lease;
pub mod liveness;
pub mod node;
pub mod pool;
mod random;
pub mod replicaset;
pub mod specification;
pub mod store;
pub mod watch;
pub mod world;
