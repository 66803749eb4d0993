#![doc = include_str!("../README.md")]

mod config;
mod effects;
mod host;
mod run;

pub use config::{Config, EXPECTATIONS};
pub use run::run;
