#![doc = include_str!("README.md")]

mod input;
mod output;
mod state;
mod step;
mod store;

pub use input::{Event, Input, Item, WatchEnd};
pub use output::{Delivery, Output};
pub use state::{Phase, Reflector, State, Timer};
pub use store::{Delta, Store};
