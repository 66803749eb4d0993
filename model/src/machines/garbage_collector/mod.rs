#![doc = include_str!("README.md")]

mod decide;
mod graph;
mod owner;
mod state;
mod step;
mod view;

pub use graph::Graph;
pub use state::{Session, Verdict};
pub use step::GarbageCollector;
pub use view::NodeView;
