//! What the objects of each kind look like: schemas for decoding and for publication.

mod canonical;
mod compile;
pub mod decode;
pub mod protobuf;
mod tree;

pub use compile::{compile, generator};
pub use tree::Tree;
