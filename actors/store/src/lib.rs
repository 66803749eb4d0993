#![doc = include_str!("../README.md")]

pub mod disk;

mod config;
mod effects;
mod serve;
mod watching;

pub use config::Config;
pub use serve::{run, run_on};
