//! The transport from outside: real QUIC over loopback, and over a simulated network.

mod asking;
mod bounded;
mod cluster;
mod frames;
mod golden;
mod hostile;
mod identities;
mod killed;
mod linking;
mod raw;
mod refusing;
mod simulated;
mod streaming;
