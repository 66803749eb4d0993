#![doc = include_str!("README.md")]

mod administrator;
mod clock;
mod cluster;
mod containers;
mod deeds;
mod faults;
mod fingerprint;
mod following;
mod hardware;
mod history;
mod knobs;
mod lease_holder;
mod ledger;
mod mishaps;
mod panics;
mod part;
mod process;
mod report;
mod run;
mod store_client;
mod store_watcher;
mod traces;
mod verdict;
mod watcher;
mod workload;

pub use deeds::{Act, Ends};
pub use faults::{Fault, Faults};
pub use mishaps::Count;
pub use process::current;
pub use report::{Outcome, Report};
pub use run::{Options, elapsed, run};
