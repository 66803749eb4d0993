#![doc = include_str!("README.md")]

mod feed;
mod follow;
mod input;
mod output;
mod read;
mod state;
mod step;
mod watch;

pub use input::{Cached, Epoch, Fed, Input, Key, Listed, Read, RequestId, Start, Watch};
pub use output::{Answer, Delivery, Output, Refusal};
pub use state::State;
pub use step::{Limits, Timer, WatchCache};
