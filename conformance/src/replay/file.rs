//! The frames of a record of inputs.

use std::path::Path;

use bincode::Decode;
use model::trace::Header;
use model::trace::inputs::{CLOSED, FRAME_LIMIT, LIMIT_REACHED, MAGIC, VERSION};

use crate::trace::ReadError;

/// The whole file.
pub(super) fn load(path: &Path) -> Result<Vec<u8>, ReadError> {
    std::fs::read(path).map_err(|source| ReadError::File {
        path: path.to_owned(),
        source,
    })
}

/// A frame, or what stands in its place.
pub(super) enum Frame<'a> {
    Step(&'a [u8]),
    Closed,
    Limit,
    Open,
}

/// Reads frame after frame.
pub(super) struct Frames<'a> {
    pub(super) path: &'a Path,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Frames<'a> {
    /// Reads what stands before the beginning.
    pub(super) fn begin(path: &'a Path, bytes: &'a [u8]) -> Result<(Self, Header), ReadError> {
        let foreign = || ReadError::Foreign {
            path: path.to_owned(),
        };
        let rest = bytes.strip_prefix(&MAGIC).ok_or_else(foreign)?;
        let (version, _) = rest.split_first_chunk::<2>().ok_or_else(foreign)?;
        let found = u16::from_le_bytes(*version);
        if found != VERSION {
            return Err(ReadError::OtherVersion {
                path: path.to_owned(),
                found,
            });
        }
        let mut frames = Frames {
            path,
            bytes,
            offset: MAGIC.len() + 2,
        };
        match frames.next()? {
            Frame::Step(bytes) => {
                let header = frames.decode(bytes)?;
                Ok((frames, header))
            }
            _ => Err(foreign()),
        }
    }

    /// The next frame. One that is cut off is the end.
    pub(super) fn next(&mut self) -> Result<Frame<'a>, ReadError> {
        let Some((length, rest)) = self.bytes[self.offset..].split_first_chunk::<4>() else {
            return Ok(Frame::Open);
        };
        let length = match u32::from_le_bytes(*length) {
            LIMIT_REACHED => return Ok(Frame::Limit),
            CLOSED => return Ok(Frame::Closed),
            length => length as usize,
        };
        if length > FRAME_LIMIT {
            return Err(self.malformed(format!(
                "a step of {length} bytes is over the limit of {FRAME_LIMIT}"
            )));
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(Frame::Open);
        };
        self.offset += 4 + length;
        Ok(Frame::Step(frame))
    }

    /// Decodes a whole frame.
    pub(super) fn decode<T: Decode<()>>(&self, frame: &[u8]) -> Result<T, ReadError> {
        let config = bincode::config::standard().with_limit::<{ 2 * FRAME_LIMIT }>();
        let (value, used) = bincode::decode_from_slice(frame, config)
            .map_err(|error| self.malformed(error.to_string()))?;
        match frame.len() - used {
            0 => Ok(value),
            rest => Err(self.malformed(format!("{rest} bytes too many in a step"))),
        }
    }

    fn malformed(&self, why: String) -> ReadError {
        ReadError::Malformed {
            path: self.path.to_owned(),
            offset: self.offset,
            why,
        }
    }
}
