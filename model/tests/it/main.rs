//! Scenario files, properties and snapshots of the machines.

mod scenario;
