//! The worlds, explored whole; and their documents, held against the code.

mod catalog;
mod liveness;
mod store;
mod watch;
