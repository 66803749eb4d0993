#![doc = include_str!("../README.md")]

mod client;
mod component;
mod envelope;
mod environment;
mod events;
mod inform;
mod runnable;
mod running;
mod shutdown;
mod system;
mod tasks;
mod trace;
mod uplink;

pub use client::{ApiClient, CallError, Listed, Watch, WatchItem};
pub use component::{Component, Effects, EndGuard, Handle, Rejected, Start, Stopped};
pub use environment::{Clock, Environment, Revisions, SystemClock};
pub use events::{EventRecorder, ObjectReference};
pub use inform::{Subject, inform};
pub use runnable::Runnable;
pub use running::{Ready, Running};
pub use shutdown::{Shutdown, Trigger, Why};
pub use system::{run, simulate};
pub use trace::{TraceError, TraceLimits, TraceWriter, Tracing};
pub use uplink::{OpenError, Uplink};
