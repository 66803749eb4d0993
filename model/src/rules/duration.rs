//! Durations as Kubernetes' command lines have them: Go's notation (`time.ParseDuration`), `1h0m0s`, `90s`, `1.5h`.

/// Units and what each takes, in nanoseconds.
const UNITS: [(&str, u128); 8] = [
    ("h", 3_600_000_000_000),
    ("ms", 1_000_000),
    ("m", 60_000_000_000),
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000), // U+00B5, the micro sign
    ("μs", 1_000), // U+03BC, the letter mu
    ("s", 1_000_000_000),
];

/// The longest that Go has, some 292 years, in nanoseconds.
const LONGEST_NS: u128 = i64::MAX as u128;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not numbers, each with its unit.
    #[error(
        "a duration is numbers with units (h, m, s, ms, us, ns), for example 1h0m0s, 90s or 1.5h"
    )]
    Format,
    /// It is less than nothing.
    #[error("a duration cannot be negative here")]
    Negative,
    /// It is longer than Go's longest, some 292 years.
    #[error("a duration is at most 2562047h47m16s")]
    TooLong,
}

/// Reads a duration, in nanoseconds. What is finer than one is cut off.
///
/// # Errors
/// If the text is none, or is negative.
pub fn parse(text: &str) -> Result<u64, DurationError> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total: u128 = 0;
    if rest != "0" {
        if rest.is_empty() {
            return Err(DurationError::Format);
        }
        while !rest.is_empty() {
            let part;
            (part, rest) = quantity(rest)?;
            total += part;
            if total > LONGEST_NS {
                return Err(DurationError::TooLong);
            }
        }
    }
    match negative && total > 0 {
        true => Err(DurationError::Negative),
        false => u64::try_from(total).map_err(|_| DurationError::TooLong),
    }
}

/// `1h0m0s`: whole seconds as Go writes them.
pub fn seconds(seconds: u32) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

/// One number with its unit, in nanoseconds, and what follows it.
fn quantity(text: &str) -> Result<(u128, &str), DurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Format);
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    let (_, unit) = known.ok_or(DurationError::Format)?;
    // Twenty digits are beyond the longest in any unit.
    let whole = whole.trim_start_matches('0');
    if whole.len() > 20 {
        return Err(DurationError::TooLong);
    }
    let number = |digits: &str| digits.bytes().fold(0, |n, d| n * 10 + u128::from(d - b'0'));
    // What is beyond the fifteenth digit is less than a nanosecond of an hour.
    let fraction = &fraction[..fraction.len().min(15)];
    let part = number(fraction) * unit / 10_u128.pow(fraction.len() as u32);
    Ok((number(whole) * unit + part, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}
