#![doc = include_str!("../README.md")]

pub mod checked;
pub mod node;
pub mod store;
pub mod world;
