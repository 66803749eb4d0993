//! The system as pure state machines: objects, rules, actions, machines, messages.
//!
//! Nothing here reads a clock, a random source, a file or a socket, and nothing iterates over a hash map:
//! time, identities and random choices come in as inputs, writes and messages go out as outputs. So the same
//! code is explored exhaustively by `specs`, replayed by `conformance` and run by the shells in `actors/*`.
//! `model/clippy.toml` and `tests/tidy.rs` hold the crate to that.
//!
//! Layers, each of which may use those before it: [`objects`] ← [`rules`] ← [`actions`] ← [`machines`].
//! [`messages`] is what components say to each other, [`machine`] the shape of every machine,
//! [`trace`] the format in which a running machine's actions are recorded.

#![warn(clippy::float_arithmetic)]

pub mod actions;
pub mod machine;
pub mod machines;
pub mod messages;
pub mod objects;
pub mod rules;
pub mod trace;
