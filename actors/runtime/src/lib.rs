#![doc = include_str!("../README.md")]

mod cgroup;
pub mod cri;
mod durable;
mod embedded;
mod error;
mod image;
mod network;
mod process;
mod runtime;
mod shim;
mod state;

pub use embedded::{EmbeddedRuntime, Options};
pub use error::{Error, Result};
pub use image::{ImageDirectory, Reference};
pub use network::Subnet;
pub use runtime::{Events, EventsEnd, Runtime};
pub use shim::shim_main;
