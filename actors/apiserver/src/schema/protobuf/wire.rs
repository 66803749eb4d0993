//! The wire format of protobuf: <https://protobuf.dev/programming-guides/encoding/>.

use super::ProtobufError;

/// The value of a field as it stands on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    /// A number of variable length.
    Number(u64),
    /// Bytes: a text, a message, bytes.
    Bytes(&'a [u8]),
    /// Four or eight bytes, which no field that is read here has.
    Fixed,
}

/// The fields of a message with their numbers, in the order in which they stand.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = Result<(u32, Part<'_>), ProtobufError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let part = next(&mut rest);
        if part.is_none() {
            rest = &[];
        }
        Some(part.ok_or(ProtobufError::Malformed))
    })
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, Part<'a>)> {
    let tag = varint(rest)?;
    let number = u32::try_from(tag >> 3).ok()?;
    let part = match tag & 7 {
        0 => Part::Number(varint(rest)?),
        1 => take(rest, 8).map(|_| Part::Fixed)?,
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Part::Bytes(take(rest, length)?)
        }
        5 => take(rest, 4).map(|_| Part::Fixed)?,
        _ => return None,
    };
    Some((number, part))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(taken)
}

/// Seven bits a byte, lowest first, at most ten bytes.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        if shift < 64 {
            number |= u64::from(byte & 0x7f) << shift;
        }
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Bytes as text.
pub(super) fn text(bytes: &[u8]) -> Result<String, ProtobufError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ProtobufError::Utf8)
}
