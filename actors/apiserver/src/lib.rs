//! The API server's shell: HTTPS for clients, QUIC for components, schemas, tables.

pub mod backend;
