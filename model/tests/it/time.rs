//! Timestamps.

use model::machine::Now;
use model::rules::time::{self, TimeError};
use proptest::prelude::*;

#[test]
fn known_instants() {
    let cases = [
        (0, "1970-01-01T00:00:00.000000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000000Z"),
        (1_136_214_245_999, "2006-01-02T15:04:05.999000Z"),
        (4_107_542_399_000, "2100-02-28T23:59:59.000000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000000Z"),
        (253_402_300_799_000, "9999-12-31T23:59:59.000000Z"),
    ];
    for (ms, text) in cases {
        assert_eq!(time::micros(Now(ms)), text);
        assert_eq!(time::parse(text), Ok(Now(ms)));
    }
}

#[test]
fn offsets_and_fractions_are_read() {
    let cases = [
        ("2006-01-02T15:04:05+01:00", Ok(Now(1_136_210_645_000))),
        ("2006-01-02t15:04:05.5z", Ok(Now(1_136_214_245_500))),
        (
            "2006-01-02T15:04:05.123456789-00:30",
            Ok(Now(1_136_216_045_123)),
        ),
        ("2006-01-02 15:04:05Z", Err(TimeError::Format)),
        ("2006-01-02T15:04:05", Err(TimeError::Format)),
        ("2006-01-02T15:04:05.Z", Err(TimeError::Format)),
        ("2006-02-29T15:04:05Z", Err(TimeError::Range)),
        ("2006-01-02T24:04:05Z", Err(TimeError::Range)),
        ("1969-12-31T23:59:59Z", Err(TimeError::Era)),
        ("", Err(TimeError::Format)),
        ("2006-01-0éT15:04:05Z", Err(TimeError::Format)),
    ];
    for (text, expected) in cases {
        assert_eq!(time::parse(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(ms in 0..253_402_300_800_000u64) {
        prop_assert_eq!(time::parse(&time::micros(Now(ms))), Ok(Now(ms)));
        prop_assert_eq!(time::parse(&time::seconds(Now(ms))), Ok(time::truncate(Now(ms))));
    }
}
