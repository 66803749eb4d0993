#![doc = include_str!("../README.md")]

mod arriving;
mod codec;
mod connection;
mod endpoint;
mod environment;
mod error;
mod handshake;
mod lane;
mod limits;
mod link;
mod message;
mod quic;
mod reading;
mod stream;
mod tls;

pub mod frame;
pub mod identity;
pub mod pki;
pub mod sim;

pub use arriving::{Incoming, Responder};
pub use codec::{DECODED_BYTES_MAX, DecodeError, decode};
pub use connection::Connection;
pub use endpoint::{Config, Endpoint};
pub use environment::{
    Environment, Random, Sockets, SystemClock, SystemRandom, SystemSockets, WallClock,
};
pub use error::{CloseReason, Error, Peer, Sent};
pub use frame::FrameError;
pub use identity::{Component, Identity};
pub use limits::Limits;
pub use link::{Backoff, Link, LinkState, Live};
pub use message::{Message, MessageId, Reply};
pub use stream::{Stream, StreamReceiver, StreamSender};
