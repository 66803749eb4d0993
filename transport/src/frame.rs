//! The layout of a frame, both ways.
//!
//! ```text
//! offset  bytes  field (integers are big endian)
//!      0      4  length of all that follows
//!      4      1  frame version, 1
//!      5      1  kind
//!      6     16  message id: origin, sequence
//!     22     16  id of the cause; zeros if there is none
//!     38      4  header length
//!     42      …  header (bincode)
//!      …      …  body (raw)
//! ```

use bincode::Encode;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::codec::{self, EncodeError};
use crate::limits::Limits;
use crate::message::MessageId;

/// The version of the layout above.
pub(crate) const FRAME_VERSION: u8 = 1;
/// Bytes before the header.
pub(crate) const PREFIX_BYTES: usize = 42;
/// Bytes of the length itself, which it does not count.
const LENGTH_BYTES: usize = 4;
/// Room for the prefix and a header of the usual size, so that most heads are allocated once.
const HEAD_BYTES_USUAL: usize = 192;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A message that wants an answer.
    Ask = 1,
    /// A message that wants none.
    Tell = 2,
    /// The answer to the ask that is its cause.
    Answer = 3,
    /// There is no answer to the ask that is its cause; the body says why, in UTF-8.
    Refusal = 4,
    /// The first message on a stream of its own: what the stream is about.
    Open = 5,
    /// A message on such a stream.
    Item = 6,
    /// The sender ends such a stream early; the body says why, in UTF-8.
    Abort = 7,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Ask,
            2 => Self::Tell,
            3 => Self::Answer,
            4 => Self::Refusal,
            5 => Self::Open,
            6 => Self::Item,
            7 => Self::Abort,
            _ => return None,
        })
    }
}

/// A frame as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// The message's id.
    pub id: MessageId,
    /// The cause's id.
    pub cause: Option<MessageId>,
    /// The encoded header.
    pub header: Bytes,
    /// The body.
    pub body: Bytes,
}

impl Frame {
    /// Bytes on the wire.
    pub(crate) fn wire_bytes(&self) -> usize {
        PREFIX_BYTES + self.header.len() + self.body.len()
    }
}

/// What is wrong with the bytes of a peer. Any of these closes the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The layout is one of another version.
    #[error("frame version {0} instead of {FRAME_VERSION}")]
    Version(u8),
    /// No such kind.
    #[error("frame kind {0} does not exist")]
    Kind(u8),
    /// A kind that does not belong on the stream it came by.
    #[error("a frame of kind {kind:?} on a stream for {stream}")]
    Misplaced {
        /// What came.
        kind: Kind,
        /// What the stream is for.
        stream: &'static str,
    },
    /// The length does not cover the prefix, or the header's length exceeds the frame's.
    #[error("frame length {length} and header length {header} contradict each other")]
    Lengths {
        /// The frame's length field.
        length: usize,
        /// The header's length field.
        header: usize,
    },
    /// A message id with origin or sequence 0.
    #[error("a message without an id")]
    NoId,
    /// An answer without a cause.
    #[error("an answer that names no ask")]
    NoCause,
    /// The header is longer than the receiver's limit.
    #[error("a header of {length} bytes, with header_bytes_max at {limit}")]
    Header {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The frame is longer than the receiver's limit for the stream it came by.
    #[error("a frame of {length} bytes, with {name} at {limit}")]
    Length {
        /// Its length.
        length: usize,
        /// Which limit.
        name: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A unidirectional stream for nothing that exists.
    #[error("a stream whose purpose is {0}")]
    Purpose(u8),
    /// An answer to what was not asked, or was answered already.
    #[error("an answer to {0}, which is no ask of this side without an answer")]
    NotAsked(String),
    /// Bytes after the one message of a stream of its own.
    #[error("{0} bytes after the one message of its stream")]
    Trailing(usize),
    /// The stream ended within a frame.
    #[error("the stream ended {missing} bytes before the end of a frame")]
    Cut {
        /// How many bytes are missing, at least.
        missing: usize,
    },
}

/// How long frames of one stream may be.
#[derive(Clone, Copy, Debug)]
pub struct FrameLimits {
    header: usize,
    content: usize,
    name: &'static str,
}

impl FrameLimits {
    /// For the long-lived streams, whose frames hold at most
    /// [`inline_bytes_max`](Limits::inline_bytes_max) of header and body.
    pub fn inline(limits: &Limits) -> Self {
        Self {
            header: limits.header_bytes_max,
            content: limits.inline_bytes_max,
            name: "inline_bytes_max",
        }
    }

    /// For streams of their own, whose frames hold a header and a body up to their own limits.
    pub fn own_stream(limits: &Limits) -> Self {
        Self {
            header: limits.header_bytes_max,
            content: limits
                .header_bytes_max
                .saturating_add(limits.body_bytes_max),
            name: "header_bytes_max + body_bytes_max",
        }
    }
}

/// The fixed part of a frame.
pub(crate) struct Prefix {
    pub(crate) kind: Kind,
    id: MessageId,
    cause: Option<MessageId>,
    header_bytes: usize,
    body_bytes: usize,
}

impl Prefix {
    /// Reads the prefix, if all of it is there.
    pub(crate) fn read(bytes: &[u8], limits: FrameLimits) -> Result<Option<Self>, FrameError> {
        let Some(mut prefix) = bytes.get(..PREFIX_BYTES) else {
            return Ok(None);
        };
        let length = prefix.get_u32() as usize;
        let version = prefix.get_u8();
        if version != FRAME_VERSION {
            return Err(FrameError::Version(version));
        }
        let kind = prefix.get_u8();
        let kind = Kind::from_byte(kind).ok_or(FrameError::Kind(kind))?;
        let id = read_id(&mut prefix).ok_or(FrameError::NoId)?;
        let cause = read_id(&mut prefix);
        let header_bytes = prefix.get_u32() as usize;
        let content =
            length
                .checked_sub(PREFIX_BYTES - LENGTH_BYTES)
                .ok_or(FrameError::Lengths {
                    length,
                    header: header_bytes,
                })?;
        let body_bytes = content
            .checked_sub(header_bytes)
            .ok_or(FrameError::Lengths {
                length,
                header: header_bytes,
            })?;
        if header_bytes > limits.header {
            return Err(FrameError::Header {
                length: header_bytes,
                limit: limits.header,
            });
        }
        if content > limits.content {
            return Err(FrameError::Length {
                length: content,
                name: limits.name,
                limit: limits.content,
            });
        }
        if cause.is_none() && matches!(kind, Kind::Answer | Kind::Refusal) {
            return Err(FrameError::NoCause);
        }
        Ok(Some(Self {
            kind,
            id,
            cause,
            header_bytes,
            body_bytes,
        }))
    }

    /// Bytes of the whole frame, this prefix included.
    pub(crate) fn frame_bytes(&self) -> usize {
        PREFIX_BYTES + self.header_bytes + self.body_bytes
    }

    /// The frame, from all its bytes, without copying them.
    pub(crate) fn into_frame(self, mut bytes: Bytes) -> Frame {
        bytes.advance(PREFIX_BYTES);
        let header = bytes.split_to(self.header_bytes);
        let body = bytes.split_to(self.body_bytes);
        Frame {
            kind: self.kind,
            id: self.id,
            cause: self.cause,
            header,
            body,
        }
    }
}

/// Takes the next frame off `buffer`, or `None` until more bytes have come.
///
/// The frame gets bytes of its own: a slice would keep the whole read buffer alive for as long as
/// somebody keeps a body.
///
/// # Errors
/// [`FrameError`]; the stream cannot be read any further then.
pub fn take(buffer: &mut BytesMut, limits: FrameLimits) -> Result<Option<Frame>, FrameError> {
    let Some(prefix) = Prefix::read(buffer, limits)? else {
        return Ok(None);
    };
    let length = prefix.frame_bytes();
    let Some(bytes) = buffer.get(..length) else {
        return Ok(None);
    };
    let bytes = Bytes::copy_from_slice(bytes);
    buffer.advance(length);
    Ok(Some(prefix.into_frame(bytes)))
}

/// Encodes all of a frame but its body, of `body_bytes`, which follows on the wire.
///
/// Lengths beyond 32 bits are beyond every limit; they are written as a length no receiver accepts.
pub(crate) fn encode_head(
    kind: Kind,
    id: MessageId,
    cause: Option<MessageId>,
    header: &impl Encode,
    header_bytes_max: usize,
    body_bytes: usize,
) -> Result<BytesMut, EncodeError> {
    let mut head = BytesMut::with_capacity(HEAD_BYTES_USUAL);
    head.put_bytes(0, PREFIX_BYTES);
    codec::encode(header, &mut head, header_bytes_max)?;
    let header_bytes = head.len() - PREFIX_BYTES;
    let length = PREFIX_BYTES - LENGTH_BYTES + header_bytes + body_bytes;
    let mut prefix = &mut head[..PREFIX_BYTES];
    prefix.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    prefix.put_u8(FRAME_VERSION);
    prefix.put_u8(kind as u8);
    prefix.put_u64(id.origin);
    prefix.put_u64(id.sequence);
    prefix.put_u64(cause.map_or(0, |cause| cause.origin));
    prefix.put_u64(cause.map_or(0, |cause| cause.sequence));
    prefix.put_u32(u32::try_from(header_bytes).unwrap_or(u32::MAX));
    Ok(head)
}

/// An id, unless its origin or sequence is 0, which means none.
fn read_id(bytes: &mut &[u8]) -> Option<MessageId> {
    let id = MessageId {
        origin: bytes.get_u64(),
        sequence: bytes.get_u64(),
    };
    (id.origin != 0 && id.sequence != 0).then_some(id)
}
