#![doc = include_str!("README.md")]

mod affinity;
mod binding;
mod cache;
mod filter;
mod input;
mod nodes;
mod output;
mod pods;
mod queue;
mod score;
mod state;
mod step;
mod view;

pub use affinity::{NodeSelector, NodeSelectorTerm, Requirement};
pub use cache::{Cache, NodeInfo};
pub use input::{Binding, Input};
pub use output::Output;
pub use queue::{Place, Queue};
pub use state::{Assumed, Progress, Scheduler, State, Timer};
pub use view::{Demand, HostPort, NodeView, PodView, SCHEDULER_NAME};
