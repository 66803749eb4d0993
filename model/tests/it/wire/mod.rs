//! The messages of components as bytes: the encoding is fixed, every message of every kind has its bytes in a snapshot,
//! and no bytes harm the reader.

use std::fmt::{Debug, Write};

use bincode::error::DecodeError;
use bincode::{Decode, Encode, config};

mod api;
mod node;
mod store;

/// A snapshot of messages, type by type.
#[derive(Default)]
struct Golden {
    text: String,
}

impl Golden {
    /// Messages of a type, each with its bytes, which read back as the message.
    fn plain<M: Encode + Decode<()> + PartialEq + Debug>(&mut self, name: &str, samples: &[M]) {
        self.title(name);
        for sample in samples {
            let bytes = bytes_of(sample);
            let (back, used): (M, usize) =
                bincode::decode_from_slice(&bytes, config::standard()).unwrap();
            assert_eq!((&back, used), (sample, bytes.len()));
            self.line(sample, &hex(&bytes));
        }
    }

    /// The same for an enum: no variant may be missing among the samples.
    fn every<M: Encode + Decode<()> + PartialEq + Debug>(&mut self, name: &str, samples: &[M]) {
        self.plain(name, samples);
        all_variants::<M>(name, samples.iter().map(bytes_of));
    }

    fn title(&mut self, name: &str) {
        writeln!(self.text, "# {name}").unwrap();
    }

    fn line(&mut self, message: &impl Debug, bytes: &str) {
        let name: String = format!("{message:?}")
            .chars()
            .take_while(|c| c.is_alphanumeric())
            .collect();
        writeln!(self.text, "{name}: {bytes}").unwrap();
    }
}

fn bytes_of(message: &impl Encode) -> Vec<u8> {
    bincode::encode_to_vec(message, config::standard()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fails unless each variant of the enum `M`, which its first byte names, begins one of the `encoded` samples.
fn all_variants<M: Decode<()>>(name: &str, encoded: impl Iterator<Item = Vec<u8>>) {
    let seen: Vec<u8> = encoded.filter_map(|bytes| bytes.first().copied()).collect();
    for variant in 0..=u8::MAX {
        let read: Result<(M, usize), _> =
            bincode::decode_from_slice(&[variant], config::standard());
        if matches!(read, Err(DecodeError::UnexpectedVariant { .. })) {
            break;
        }
        assert!(
            seen.contains(&variant),
            "variant {variant} of {name} has no bytes in the snapshot"
        );
    }
}
