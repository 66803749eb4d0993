//! A small client of any Kubernetes API server: HTTP/1.1, one connection each, for `get`, `apply` and `bench`.

mod connection;
mod kubeconfig;
mod reply;

pub use connection::{Connection, Request};
pub use kubeconfig::{Server, find_kubeconfig};
pub use reply::{Lines, Reply};
