//! The worlds, explored whole; and their documents, held against the code.

mod bugs;
mod catalog;
mod create_pod;
mod histories;
mod liveness;
mod relay;
mod replicaset;
mod store;
mod watch;
mod weakened;
