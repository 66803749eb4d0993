//! Reading frames from any bytes whatever.

use bytes::BytesMut;
use proptest::prelude::*;
use transport::Limits;
use transport::frame::{FrameLimits, take};

use crate::raw::Raw;

fn limits() -> Limits {
    Limits {
        header_bytes_max: 100,
        inline_bytes_max: 300,
        ..Limits::default()
    }
}

fn any_raw() -> impl Strategy<Value = Raw> {
    let id = || (1..=u64::MAX, 1..=u64::MAX);
    let bytes = |length| proptest::collection::vec(any::<u8>(), 0..=length);
    (1..=7_u8, id(), id(), bytes(100), bytes(200)).prop_map(|(kind, id, cause, header, body)| Raw {
        version: 1,
        kind,
        id,
        cause,
        header,
        body,
    })
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in(raws in proptest::collection::vec(any_raw(), 1..4), cut in any::<prop::sample::Index>()) {
        let bytes: Vec<u8> = raws.iter().flat_map(Raw::bytes).collect();
        let (before, after) = bytes.split_at(cut.index(bytes.len()));
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for part in [before, after] {
            buffer.extend_from_slice(part);
            while let Some(frame) = take(&mut buffer, FrameLimits::inline(&limits())).unwrap() {
                frames.push(frame);
            }
        }
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(frames.len(), raws.len());
        for (frame, raw) in frames.iter().zip(&raws) {
            prop_assert_eq!(frame.kind as u8, raw.kind);
            prop_assert_eq!((frame.id.origin, frame.id.sequence), raw.id);
            prop_assert_eq!(frame.cause.map(|cause| (cause.origin, cause.sequence)), Some(raw.cause));
            prop_assert_eq!(&frame.header[..], &raw.header[..]);
            prop_assert_eq!(&frame.body[..], &raw.body[..]);
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_all(&bytes)?;
    }

    /// Random bytes seldom get past the version; these do, with lengths that lie.
    #[test]
    fn any_lengths_are_read_without_harm(raw in any_raw(), length in any::<u32>(), header in any::<u32>()) {
        read_all(&raw.bytes_claiming(length as usize, header as usize))?;
    }

    #[test]
    fn any_header_is_decoded_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        // A length may claim anything; memory is bounded by the limit, and a value by its bytes.
        if let Ok(value) = transport::decode::<Vec<(u64, String)>>(&bytes) {
            prop_assert!(value.len() <= bytes.len());
        }
        if let Ok(value) = transport::decode::<Vec<u8>>(&bytes) {
            prop_assert!(value.len() < bytes.len());
        }
    }
}

/// Whatever comes of it, no frame is made of bytes that are not there, and no room for them.
fn read_all(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut buffer = BytesMut::from(bytes);
    let (mut used, capacity) = (0, buffer.capacity());
    while let Ok(Some(frame)) = take(&mut buffer, FrameLimits::inline(&limits())) {
        used += 42 + frame.header.len() + frame.body.len();
        prop_assert!(frame.header.len() <= 100 && frame.header.len() + frame.body.len() <= 300);
    }
    prop_assert!(used <= bytes.len());
    prop_assert!(buffer.capacity() <= capacity);
    Ok(())
}

#[test]
fn bytes_left_over_after_a_header_are_an_error() {
    assert_eq!(transport::decode::<u8>(&[7]), Ok(7));
    let error = transport::decode::<u8>(&[7, 7]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the header is a u8 followed by 1 bytes that do not belong to it"
    );
}
