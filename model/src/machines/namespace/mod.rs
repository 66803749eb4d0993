#![doc = include_str!("README.md")]

mod step;
mod view;

pub use step::{Namespaces, Session, View};
pub use view::NamespaceView;
