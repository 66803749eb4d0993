//! What the API server makes of requests, without a store behind it.

mod discovery;
mod objects;
mod openapi;
mod protobuf;
mod tables;
