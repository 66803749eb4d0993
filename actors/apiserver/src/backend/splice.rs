//! `metadata.resourceVersion` put into the bytes of a stored object, without parsing the rest.

use model::objects::bytes::Bytes;

/// The object with `"resourceVersion":"REVISION"` as the first field of its metadata. Bytes that are not an
/// object of JSON stay as they are.
pub(super) fn stamped(stored: &[u8], revision: u64) -> Bytes {
    let Some(place) = find(stored) else {
        return Bytes::from(stored);
    };
    let (at, text) = match place {
        Place::Inside { at, empty } => {
            let comma = if empty { "" } else { "," };
            (at, format!("\"resourceVersion\":\"{revision}\"{comma}"))
        }
        Place::Missing { at, empty } => {
            let comma = if empty { "" } else { "," };
            (
                at,
                format!("\"metadata\":{{\"resourceVersion\":\"{revision}\"}}{comma}"),
            )
        }
    };
    let mut body = Vec::with_capacity(stored.len() + text.len());
    body.extend_from_slice(&stored[..at]);
    body.extend_from_slice(text.as_bytes());
    body.extend_from_slice(&stored[at..]);
    Bytes::from(body)
}

/// The object with another revision in the place where [`stamped`] put one.
pub(super) fn restamped(served: &[u8], revision: u64) -> Bytes {
    const FIELD: &[u8] = b"\"resourceVersion\":\"";
    let digits = match find(served) {
        Some(Place::Inside { at, .. }) if served[at..].starts_with(FIELD) => at + FIELD.len(),
        _ => return stamped(served, revision),
    };
    let length = served[digits..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let mut body = Vec::with_capacity(served.len() + 4);
    body.extend_from_slice(&served[..digits]);
    body.extend_from_slice(revision.to_string().as_bytes());
    body.extend_from_slice(&served[digits + length..]);
    Bytes::from(body)
}

/// Where a first field of the metadata goes.
enum Place {
    /// Behind the brace of the metadata.
    Inside { at: usize, empty: bool },
    /// Behind the brace of the object, which has no metadata.
    Missing { at: usize, empty: bool },
}

/// Walks over the outermost fields of an object up to its metadata.
fn find(json: &[u8]) -> Option<Place> {
    let open = skip_space(json, 0);
    if json.get(open) != Some(&b'{') {
        return None;
    }
    let mut at = skip_space(json, open + 1);
    let missing = Place::Missing {
        at: open + 1,
        empty: json.get(at) == Some(&b'}'),
    };
    while json.get(at) == Some(&b'"') {
        let end = string_end(json, at)?;
        let name = &json[at..end];
        at = skip_space(json, end);
        if json.get(at) != Some(&b':') {
            return None;
        }
        at = skip_space(json, at + 1);
        if name == b"\"metadata\"" && json.get(at) == Some(&b'{') {
            let first = skip_space(json, at + 1);
            let empty = json.get(first) == Some(&b'}');
            return Some(Place::Inside { at: at + 1, empty });
        }
        at = skip_space(json, value_end(json, at)?);
        if json.get(at) != Some(&b',') {
            break;
        }
        at = skip_space(json, at + 1);
    }
    Some(missing)
}

fn skip_space(json: &[u8], at: usize) -> usize {
    let rest = json.get(at..).unwrap_or_default();
    let spaces = rest
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    at + spaces
}

/// Behind the closing quote of the string that begins at `at`.
fn string_end(json: &[u8], at: usize) -> Option<usize> {
    let mut next = at + 1;
    loop {
        match json.get(next)? {
            b'"' => return Some(next + 1),
            b'\\' => next += 2,
            _ => next += 1,
        }
    }
}

/// Behind the value that begins at `at`.
fn value_end(json: &[u8], at: usize) -> Option<usize> {
    let (mut next, mut depth) = (at, 0usize);
    loop {
        match json.get(next)? {
            b'"' => next = string_end(json, next)?,
            b'{' | b'[' => {
                depth += 1;
                next += 1;
            }
            b'}' | b']' | b',' if depth == 0 => return Some(next),
            b'}' | b']' => {
                depth -= 1;
                next += 1;
            }
            _ => next += 1,
        }
        if depth == 0 && matches!(json.get(next), Some(b',' | b'}' | b']')) {
            return Some(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).expect("text stays text")
    }

    #[test]
    fn the_revision_becomes_the_first_field_of_the_outer_metadata() {
        let cases = [
            (
                r#"{"a":{"metadata":{}},"metadata":{"name":"x"}}"#,
                r#"{"a":{"metadata":{}},"metadata":{"resourceVersion":"7","name":"x"}}"#,
            ),
            (
                r#"{"data":{"k":"\"metadata\":{"},"list":[1,{"b":"]"}],"metadata":{}}"#,
                r#"{"data":{"k":"\"metadata\":{"},"list":[1,{"b":"]"}],"metadata":{"resourceVersion":"7"}}"#,
            ),
            ("{}", r#"{"metadata":{"resourceVersion":"7"}}"#),
            (
                r#" { "n" : 1 }"#,
                r#" {"metadata":{"resourceVersion":"7"}, "n" : 1 }"#,
            ),
            ("[1]", "[1]"),
            (r#"{"a":"#, r#"{"a":"#),
        ];
        for (stored, served) in cases {
            assert_eq!(text(&stamped(stored.as_bytes(), 7)), served);
        }
    }

    #[test]
    fn a_stamp_is_replaced_in_its_place() {
        let served = stamped(br#"{"kind":"Pod","metadata":{"name":"x"}}"#, 99);
        assert_eq!(
            text(&restamped(&served, 100)),
            r#"{"kind":"Pod","metadata":{"resourceVersion":"100","name":"x"}}"#
        );
    }
}
