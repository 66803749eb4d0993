#![doc = include_str!("../README.md")]

pub mod check;
pub mod explain;
mod fates;
pub mod follow;
pub mod replay;
pub mod said;
pub mod simulation;
pub mod suite;
pub mod timeline;
pub mod trace;
pub mod witness;
