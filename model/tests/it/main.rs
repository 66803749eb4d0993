//! Scenario files, properties and snapshots of the machines.

mod authorization;
mod collecting;
mod controller;
mod duration;
mod kubelet;
mod kubelet_notation;
mod kubelet_walk;
mod patch;
mod quantity;
mod reflector;
mod relay;
mod replicaset;
mod resources;
mod scenario;
mod scheduler;
mod selector;
mod shorthand;
mod store;
mod store_model;

mod supervisor;
mod time;
mod transaction;
mod watch_cache;
mod watch_cache_model;
mod wire;
mod workqueue;
