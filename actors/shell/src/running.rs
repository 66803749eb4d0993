//! A component as whoever runs it sees it.

use std::pin::Pin;

/// A component from its start to its end: what kept it from starting or ended it.
///
/// Boxed so that a component is compiled once, in its own crate, and not again in every crate that runs it.
pub type Running<E> = Pin<Box<dyn Future<Output = Result<(), E>>>>;

/// Called once, when a component serves.
pub type Ready = Box<dyn FnOnce()>;
