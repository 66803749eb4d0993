//! The embedded runtime with real containers, looked at from inside and from the node.
//! They need root; without it they are ignored by name (`cfg(root)` comes from the build script).

mod node;

mod adoption;
mod exec;
mod images;
mod isolation;
mod life;
mod limits;
mod logs;
mod network;
