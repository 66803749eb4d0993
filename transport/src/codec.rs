//! The one place that names bincode's configuration.
//!
//! bincode 2.0.1 with its own derives (not through serde), standard configuration (little endian,
//! variable-length integers) with a limit, because its default has none and a four-byte length would
//! then reserve gigabytes. Bytes left over after a value are an error.

use bincode::config::{self, Config};
use bincode::enc::write::Writer;
use bincode::error::EncodeError as BincodeEncodeError;
use bincode::{Decode, Encode};
use bytes::{BufMut, BytesMut};

/// Memory a decoded header may claim, in bytes. Encoded headers are bounded by
/// [`Limits::header_bytes_max`](crate::Limits), usually far below.
pub const DECODED_BYTES_MAX: usize = 4 << 20;

/// Why bytes are not the value they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// bincode refused them.
    #[error("the header is not a {expected}: {reason}")]
    Malformed {
        /// The Rust type that was expected.
        expected: &'static str,
        /// What bincode says.
        reason: String,
    },
    /// A value was read and bytes were left.
    #[error("the header is a {expected} followed by {left} bytes that do not belong to it")]
    Trailing {
        /// The Rust type that was expected.
        expected: &'static str,
        /// Bytes after the value.
        left: usize,
    },
}

/// Why a value was not encoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EncodeError {
    /// It takes more than the room it was given.
    TooLong,
    /// Its `Encode` failed.
    Refused(String),
}

fn configuration() -> impl Config {
    config::standard().with_limit::<DECODED_BYTES_MAX>()
}

/// Decodes a value that fills `bytes` exactly.
///
/// # Errors
/// [`DecodeError`], without having claimed more than [`DECODED_BYTES_MAX`] of memory.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, DecodeError> {
    let expected = std::any::type_name::<T>();
    let (value, used) = bincode::decode_from_slice(bytes, configuration()).map_err(|error| {
        DecodeError::Malformed {
            expected,
            reason: error.to_string(),
        }
    })?;
    match bytes.len() - used {
        0 => Ok(value),
        left => Err(DecodeError::Trailing { expected, left }),
    }
}

/// Appends `value` to `buffer`, at most `room` bytes of it.
pub(crate) fn encode(
    value: &impl Encode,
    buffer: &mut BytesMut,
    room: usize,
) -> Result<(), EncodeError> {
    let mut bounded = Bounded {
        buffer,
        room,
        overflowed: false,
    };
    match bincode::encode_into_writer(value, &mut bounded, configuration()) {
        Ok(()) => Ok(()),
        Err(_) if bounded.overflowed => Err(EncodeError::TooLong),
        Err(error) => Err(EncodeError::Refused(error.to_string())),
    }
}

/// A writer that stops at a limit instead of growing.
struct Bounded<'a> {
    buffer: &'a mut BytesMut,
    room: usize,
    overflowed: bool,
}

impl Writer for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BincodeEncodeError> {
        match self.room.checked_sub(bytes.len()) {
            Some(room) => {
                self.room = room;
                self.buffer.put_slice(bytes);
                Ok(())
            }
            None => {
                self.overflowed = true;
                Err(BincodeEncodeError::UnexpectedEnd)
            }
        }
    }
}
