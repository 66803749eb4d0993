//! Scenario files, properties and snapshots of the machines.

mod quantity;
mod reflector;
mod scenario;
mod supervisor;
