//! What travels: a header of the caller's type, a raw body, an id, and the id of the cause.

use std::fmt;

use bincode::{Decode, Encode};
use bytes::Bytes;

use crate::codec::{self, DecodeError};

/// The name of a message, unique over the whole life of a cluster.
///
/// A cause may come from a third process (the scheduler answers because of a pod that the API
/// server sent because of a write of the store), so an id does not depend on a connection: it is the
/// incarnation that sent the message and a number that incarnation uses once.
/// [`Display`](fmt::Display) gives `9f3c01d2e4b5a697-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct MessageId {
    /// The incarnation of the sending process, see [`Config::origin`](crate::Config); never 0.
    pub origin: u64,
    /// Counts the sender's messages from 1, over all its connections.
    pub sequence: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.origin, self.sequence)
    }
}

/// A message as it arrived, its header not yet decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message's own id.
    pub id: MessageId,
    /// The message that caused this one, if its sender named one.
    pub cause: Option<MessageId>,
    /// The header's encoded bytes; [`Message::decode`] reads them.
    pub header: Bytes,
    /// The body, exactly as it was sent.
    pub body: Bytes,
}

impl Message {
    /// Decodes the header. Bytes left over are an error, so a longer message is never taken for a
    /// shorter one.
    ///
    /// # Errors
    /// [`DecodeError`] if the header is not a `T`.
    pub fn decode<T: Decode<()>>(&self) -> Result<T, DecodeError> {
        codec::decode(&self.header)
    }
}

/// What an ask was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The answer's own id; its cause is the ask.
    pub id: MessageId,
    /// The ask's id, for the asker's trace.
    pub ask: MessageId,
    /// The header's encoded bytes; [`Reply::decode`] reads them.
    pub header: Bytes,
    /// The body, exactly as it was sent.
    pub body: Bytes,
}

impl Reply {
    /// Decodes the header, see [`Message::decode`].
    ///
    /// # Errors
    /// [`DecodeError`] if the header is not a `T`.
    pub fn decode<T: Decode<()>>(&self) -> Result<T, DecodeError> {
        codec::decode(&self.header)
    }
}
