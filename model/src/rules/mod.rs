//! The rules of Kubernetes as pure functions over objects: quantities, selectors, names, taints, patches.

pub mod authorization;
pub mod backoff;
pub mod duration;
pub mod env;
pub mod names;
pub mod object_meta;
pub mod patch;
pub mod qos;
pub mod quantity;
pub mod resource_version;
pub mod resources;
pub mod selector;
pub mod taints;
pub mod time;
pub mod validation;
