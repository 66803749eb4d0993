//! End-to-end tests and the repository's own rules.
//!
//! Every module that needs a cluster starts one of its own, on free ports and with addresses of its own, and shares
//! it among its tests where they do not disturb each other. What a cluster leaves behind fails the test that
//! stopped it.

mod api;
mod backend;
mod bench;
mod checking;
mod cluster;
mod crash;
mod etcd;
#[path = "../actors/store/tests/it/etcd_server.rs"]
mod etcd_server;
mod expiry;
mod explain;
mod hostile;
mod images;
mod kube_rs;
mod kubectl;
mod replicaset;
mod simulate;
mod suite;
mod terminal;
mod tidy;
