//! The API server to the store.
