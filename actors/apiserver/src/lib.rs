#![doc = include_str!("../README.md")]

pub mod api;
pub mod backend;
pub mod certificates;
mod components;
mod config;
mod defaults;
pub mod discovery;
pub mod http;
pub mod kinds;
pub mod kubelets;
pub mod metrics;
pub mod openapi;
mod run;
pub mod schema;
pub mod strategy;
pub mod table;

pub use config::Config;
pub use run::{run, run_on};
