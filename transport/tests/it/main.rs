//! The transport from outside: real QUIC over loopback, and over a simulated network.

mod asking;
mod cluster;
mod frames;
mod golden;
mod identities;
mod linking;
mod raw;
mod refusing;
mod simulated;
mod streaming;
