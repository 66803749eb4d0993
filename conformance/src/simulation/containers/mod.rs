//! Simulated containers behind the runtime trait: they live by a script, and a witness sees every start and end.

mod node;
mod runtime;
mod sandboxes;
mod script;
mod witness;

pub use node::Containers;
pub use script::{IMAGE, Script};
pub use witness::Witness;
