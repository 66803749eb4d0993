//! The driver of the watch suite: writers, readers and watchers against any Kubernetes API server, all of whom write
//! down what they see. What they saw is judged by `conformance::suite`.

mod clock;
mod objects;
mod random;
mod readers;
mod session;
mod watchers;
mod writers;

pub use session::{Plan, observe};
