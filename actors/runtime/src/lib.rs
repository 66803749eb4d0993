//! Containers: the runtime trait in CRI's terms and the embedded runtime.
//!
//! The kubelet's machine decides; what is behind [`Runtime`] acts. Only the kubelet talks to it.

pub mod cri;
mod error;
mod runtime;

pub use error::{Error, Result};
pub use runtime::{Events, EventsEnd, Runtime};
