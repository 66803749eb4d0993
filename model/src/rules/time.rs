//! Kubernetes' timestamps: RFC 3339 in UTC, by the second (`Time`) or the microsecond (`MicroTime`).
//!
//! Civil dates are computed from day counts with integers (Hinnant, "chrono-compatible low-level date
//! algorithms"), so that a machine stamps the same text wherever it runs.

use crate::machine::Now;

const DAY_SECONDS: i64 = 86_400;

/// Why a text is not a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// It is not written as RFC 3339 asks.
    #[error("a timestamp must be written as RFC 3339, for example 2006-01-02T15:04:05Z")]
    Format,
    /// It names a day, hour or offset that does not exist.
    #[error("a timestamp must name a day and a time that exist")]
    Range,
    /// It lies before 1970 or after 9999.
    #[error("a timestamp must lie between 1970 and 9999")]
    Era,
}

/// `2006-01-02T15:04:05Z`: as `metadata.creationTimestamp` is written.
pub fn seconds(now: Now) -> String {
    let (date, clock) = civil(now.0 / 1000);
    format!("{date}T{clock}Z")
}

/// `2006-01-02T15:04:05.000000Z`: as `Lease.spec.renewTime` and `Event.eventTime` are written. The last three
/// digits are zero, for [`Now`] counts milliseconds.
pub fn micros(now: Now) -> String {
    let (date, clock) = civil(now.0 / 1000);
    format!("{date}T{clock}.{:03}000Z", now.0 % 1000)
}

/// Reads RFC 3339 with any fraction and offset; what is finer than a millisecond is cut off.
pub fn parse(text: &str) -> Result<Now, TimeError> {
    let bytes = text.as_bytes();
    let (date_time, rest) = bytes.split_at_checked(19).ok_or(TimeError::Format)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let separated = separators
        .iter()
        .all(|(at, mark)| date_time[*at].to_ascii_uppercase() == *mark);
    if !separated {
        return Err(TimeError::Format);
    }
    let year = digits(&date_time[0..4])?;
    let month = digits(&date_time[5..7])?;
    let day = digits(&date_time[8..10])?;
    let hour = digits(&date_time[11..13])?;
    let minute = digits(&date_time[14..16])?;
    let second = digits(&date_time[17..19])?;
    let dated = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !dated || hour > 23 || minute > 59 || second > 60 {
        return Err(TimeError::Range);
    }
    let (fraction_ms, rest) = fraction(rest)?;
    let offset_seconds = offset(rest)?;
    let civil_seconds =
        days_from_civil(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    let ms = (civil_seconds - offset_seconds) * 1000 + fraction_ms;
    u64::try_from(ms).map(Now).map_err(|_| TimeError::Era)
}

/// Cuts off what is finer than a second, as `metav1.Time` is stored.
pub fn truncate(now: Now) -> Now {
    Now(now.0 - now.0 % 1000)
}

fn civil(seconds: u64) -> (String, String) {
    // Past the year 9999 RFC 3339 has no form; a clock that far off is pinned to its last second.
    let seconds = seconds.min(253_402_300_799) as i64;
    let (days, rest) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    let (year, month, day) = civil_from_days(days);
    let date = format!("{year:04}-{month:02}-{day:02}");
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    (date, clock)
}

fn digits(bytes: &[u8]) -> Result<i64, TimeError> {
    let mut value = 0;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return Err(TimeError::Format);
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Ok(value)
}

fn fraction(rest: &[u8]) -> Result<(i64, &[u8]), TimeError> {
    let Some(after) = rest.strip_prefix(b".") else {
        return Ok((0, rest));
    };
    let length = after
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if length == 0 || length > 9 {
        return Err(TimeError::Format);
    }
    let digits = after[..length].iter().copied().chain([b'0'; 3]).take(3);
    let ms = digits.fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
    Ok((ms, &after[length..]))
}

fn offset(rest: &[u8]) -> Result<i64, TimeError> {
    match rest {
        [b'Z' | b'z'] => Ok(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return Err(TimeError::Range);
            }
            let seconds = hours * 3600 + minutes * 60;
            Ok(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => Err(TimeError::Format),
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
