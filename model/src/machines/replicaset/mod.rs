#![doc = include_str!("README.md")]

mod claim;
mod manage;
mod observe;
mod state;
mod status;
mod step;
mod victims;
mod view;

pub use state::{Session, View};
pub use step::ReplicaSets;
pub use view::{Json, Phase, PodView, ReplicaSetSpec, ReplicaSetStatus, ReplicaSetView, Seen};
