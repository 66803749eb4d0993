#![doc = include_str!("README.md")]

mod step;

pub use step::{ServiceAccounts, Session, View};
