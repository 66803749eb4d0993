#![doc = include_str!("README.md")]

mod step;
mod view;

pub use step::{PodGc, Session};
pub use view::{QUARANTINE_MS, Seen, View};
