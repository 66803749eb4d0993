//! The API over HTTP.

pub mod body;
mod exec;
mod health;
mod limits;
pub mod listen;
mod lists;
mod logs;
pub mod negotiate;
mod objects;
pub mod path;
pub mod query;
pub mod service;
pub mod status;
mod upload;
mod version;
mod watches;
mod yaml;

pub use limits::Limits;
pub use version::GIT_VERSION;
