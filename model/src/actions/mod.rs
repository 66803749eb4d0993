//! What machines say has happened: one alphabet for specification, trace, counterexample and `explain`.

pub mod controller;
pub mod kubelet;
pub mod reflector;
pub mod scheduler;
pub mod store;
pub mod supervisor;
pub mod transaction;
pub mod watch_cache;
pub mod workqueue;
