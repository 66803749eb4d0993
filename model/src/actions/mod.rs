//! What machines say has happened: one alphabet for specification, trace, counterexample and `explain`.

pub mod reflector;
pub mod store;
pub mod supervisor;
