#![doc = include_str!("../README.md")]

pub mod disk;
pub mod etcd;

mod clients;
mod config;
mod effects;
mod front;
mod serve;
mod voices;
mod watching;

pub use config::{Config, Engine};
pub use serve::{run, run_on};
