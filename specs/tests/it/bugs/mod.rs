//! Seeded bugs: shipped machines with a historical bug put back in, each caught by the property that its row names.

mod altered;
mod create_pod;
pub mod faulty;
mod hunt;
mod lease;
mod matrix;
mod store;
mod watch;
pub mod watch_caches;
mod watch_parts;
