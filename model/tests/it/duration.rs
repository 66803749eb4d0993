//! Durations in Go's notation.

use model::rules::duration::{self, DurationError};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

#[test]
fn as_go_reads_them() {
    let cases = [
        ("0", Ok(0)),
        ("-0", Ok(0)),
        ("+90s", Ok(90 * SECOND)),
        ("1h0m0s", Ok(3600 * SECOND)),
        ("1.5h", Ok(5400 * SECOND)),
        (".5s", Ok(SECOND / 2)),
        ("1.s", Ok(SECOND)),
        ("1m1ms1us1µs1μs1ns", Ok(60 * SECOND + 1_003_001)),
        ("0.33333333333333333333h", Ok(1_199_999_999_999)),
        ("2562047h47m16.854775807s", Ok(i64::MAX as u64)),
        ("2562047h47m16.854775808s", Err(DurationError::TooLong)),
        ("99999999999999999999999999h", Err(DurationError::TooLong)),
        ("-1s", Err(DurationError::Negative)),
    ];
    for (text, expected) in cases {
        assert_eq!(duration::parse(text), expected, "{text}");
    }
    for text in [
        "", "-", "+", "1", "3600", "h", ".", ".s", "1d", "1 h", " 1h", "1h ", "1H", "1hour",
        "--1s", "1h-1s", "1e3s", "\u{661}s", "00",
    ] {
        let read = duration::parse(text);
        assert_eq!(read, Err(DurationError::Format), "{text:?}");
    }
}

#[test]
fn as_go_writes_them() {
    for (seconds, text) in [
        (0, "0s"),
        (59, "59s"),
        (60, "1m0s"),
        (3600, "1h0m0s"),
        (3661, "1h1m1s"),
    ] {
        assert_eq!(duration::seconds(seconds), text);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(seconds: u32) {
        let read = duration::parse(&duration::seconds(seconds));
        prop_assert_eq!(read, Ok(u64::from(seconds) * SECOND));
    }

    #[test]
    fn nothing_harms(text in "[-+0-9.hmsuµn]{0,40}|\\PC{0,20}") {
        let _ = duration::parse(&text);
    }
}
