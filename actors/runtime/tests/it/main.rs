//! The embedded runtime with real containers, looked at from inside and from the node.
//! They need root; without it they are ignored by name (`cfg(root)` comes from the build script).

mod node;

mod life;
