//! A kubelet with the embedded runtime and real containers, over real QUIC, against an API of objects in memory.
//! They need root; without it they are ignored by name (`cfg(root)` comes from the build script).

mod api;
mod life;
mod node;
