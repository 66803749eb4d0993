//! The path by which `specs/create_pod` names [`Requests`]; the rule itself is in [`resources`](super::resources).

pub use super::resources::Requests;
