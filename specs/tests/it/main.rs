//! The worlds, explored whole; and their documents, held against the code.

mod bugs;
mod catalog;
mod liveness;
mod replicaset;
mod store;
mod watch;
