//! What becomes of an action when the record of it is altered by a little.

use std::fmt::Debug;

use bincode::config::standard;
use bincode::{Decode, Encode, decode_from_slice, encode_to_vec};

use super::first;

/// A number that no short run comes to, in one byte.
const LARGE: u8 = 200;

/// Every action of the same kind whose record differs in one byte: a number is one more, one less or large, a letter
/// another.
pub fn altered<A: Encode + Decode<()> + Debug + PartialEq>(action: &A) -> Vec<A> {
    let record = encode_to_vec(action, standard()).expect("an action is a record");
    let mut altered = Vec::new();
    // The first byte is the kind.
    for at in 1..record.len() {
        let was = record[at];
        for byte in [was.wrapping_add(1), was.wrapping_sub(1), LARGE] {
            let mut record = record.clone();
            record[at] = byte;
            if let Ok((other, read)) = decode_from_slice::<A, _>(&record, standard())
                && read == record.len()
                && first(&other) == first(action)
            {
                altered.push(other);
            }
        }
    }
    altered
}
