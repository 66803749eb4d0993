//! The transport from outside: real QUIC over loopback, and over a simulated network.

mod asking;
mod cluster;
mod linking;
mod simulated;
