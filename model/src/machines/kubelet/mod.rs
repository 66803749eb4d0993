#![doc = include_str!("README.md")]

mod admission;
mod completion;
mod deadline;
mod ended;
mod failures;
mod input;
mod life;
mod next;
pub mod node;
mod output;
mod plan;
pub mod pod;
mod report;
mod sources;
mod state;
pub mod status;
mod step;
mod writes;

use std::collections::BTreeMap;

use bincode::{Decode, Encode};

pub use input::{
    ContainerReport, Input, Measure, Outcome, ReportedState, SandboxReport, Timer, Written,
};
pub use output::{Event, Operation, Output};
pub use state::{
    Admission, Ended, Ending, Instance, Life, Record, Removal, Reporting, Retry, Sandbox, State,
    Trouble,
};

/// The kubelet of one node.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Kubelet {
    /// What it was started with.
    pub config: Config,
}

/// What a kubelet is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Config {
    /// Name of the node.
    pub node_name: String,
    /// Address of the node, reported as `hostIP`.
    pub address: String,
    /// Labels of the node, which node selectors are held against.
    pub labels: BTreeMap<String, String>,
    /// What pods may request together.
    pub allocatable: pod::Requests,
    /// How many pods the node takes.
    pub max_pods: u32,
    /// How many pods may be in a step of their start at once.
    pub parallel_starts: u32,
    /// The scheme of container ids, such as `plimsoll`.
    pub runtime_name: String,
    /// The longest grace time of a pod when the whole node stops, in seconds.
    pub stop_grace_limit_s: u64,
}
