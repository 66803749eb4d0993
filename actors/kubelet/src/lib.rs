#![doc = include_str!("../README.md")]

mod config;
mod container;
mod effects;
mod exec;
mod follow;
mod hardware;
mod log_file;
mod log_rotation;
mod logs;
mod node;
mod operation;
mod pods;
mod refresh;
mod report;
mod run;
mod serve;
mod sources;
mod volumes;

pub use config::{Capacity, Config};
pub use hardware::{Facts, Hardware, ThisMachine};
pub use run::{run, run_on};
