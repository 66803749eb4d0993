//! What components say to each other, over QUIC, as bincode headers with raw bodies behind them.
//!
//! [`api`]: every component to the API server. [`node`]: the API server to a node's kubelet, over the
//! connection that the kubelet opened. [`store`]: the API server to the store, and nobody else.

pub mod api;
pub mod node;
pub mod store;
