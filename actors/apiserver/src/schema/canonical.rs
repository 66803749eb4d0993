//! Times, quantities and bytes in the one form in which Kubernetes hands them out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use model::rules::quantity::Quantity;

/// RFC 3339 in UTC by the second.
///
/// # Errors
/// Go's words for a text that is no time.
pub(super) fn time(text: String) -> Result<String, String> {
    let parsed = parse(&text)?;
    if text.len() == 20 && text.ends_with('Z') {
        return Ok(text);
    }
    Ok(parsed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// RFC 3339 in UTC by the microsecond.
///
/// # Errors
/// As [`time`].
pub(super) fn micro_time(text: String) -> Result<String, String> {
    let parsed = parse(&text)?;
    Ok(parsed.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
}

fn parse(text: &str) -> Result<Timestamp, String> {
    let looks_right = text.len() >= 20 && text.as_bytes().get(10) == Some(&b'T');
    let parsed = text.parse::<Timestamp>().ok().filter(|_| looks_right);
    parsed.ok_or_else(|| {
        format!("parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{text}\" as \"2006\"")
    })
}

/// What is wrong with text that should be bytes in base64.
pub(super) fn base64_fault(text: &str) -> Option<String> {
    match STANDARD.decode(text) {
        Ok(_) => None,
        Err(base64::DecodeError::InvalidByte(at, _)) => {
            Some(format!("illegal base64 data at input byte {at}"))
        }
        Err(_) => Some(format!("illegal base64 data at input byte {}", text.len())),
    }
}

/// A quantity in its canonical form.
///
/// # Errors
/// Kubernetes' words for a text that is no quantity.
pub(super) fn quantity(text: String) -> Result<String, String> {
    match Quantity::parse(&text) {
        Ok(quantity) => Ok(quantity.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
