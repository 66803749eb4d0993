//! Query parameters, as `meta/v1` names them.

use std::num::{IntErrorKind, ParseIntError};

/// The parameters of a request, decoded, in the order in which they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part of a URI behind the question mark.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Query(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name, true), decode(value, true))
                })
                .collect(),
        )
    }

    /// The first value of a parameter; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// The values of a parameter that may be repeated.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a parameter says yes: it is there, and its first value is neither `false` nor `0`
    /// (`Convert_Slice_string_To_bool` of `k8s.io/apimachinery`).
    pub fn yes(&self, name: &str) -> bool {
        let value = self.all(name).next();
        value.is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// A number; `None` if it is not there.
    ///
    /// # Errors
    /// The value that is no number, in Go's words.
    pub fn number(&self, name: &str) -> Result<Option<i64>, String> {
        match self.get(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|error: ParseIntError| {
                let why = match error.kind() {
                    IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                    _ => "invalid syntax",
                };
                format!("strconv.ParseInt: parsing \"{text}\": {why}")
            }),
        }
    }
}

/// Undoes percent-encoding; what is not one stays. Bytes that are no UTF-8 become U+FFFD.
pub fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let hex = |byte: u8| (byte as char).to_digit(16);
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push((high * 16 + low) as u8);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (b'+', _) if plus_is_space => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_false_and_0_is_yes() {
        let query = Query::parse("a=foo&b&c=0&d=False&e=1&f=false&f=true&g=");
        let yes = |name| query.yes(name);
        assert_eq!(
            ["a", "b", "c", "d", "e", "f", "g", "absent"].map(yes),
            [true, true, false, false, true, false, true, false]
        );
    }

    #[test]
    fn numbers_are_refused_in_gos_words() {
        let query = Query::parse("a=5&b=five&c=9223372036854775808&d=-9223372036854775809");
        let said = |name| query.number(name);
        let refused = |text: &str, why: &str| {
            let quoted = format!("strconv.ParseInt: parsing \"{text}\": {why}");
            Err(quoted)
        };
        assert_eq!(said("a"), Ok(Some(5)));
        assert_eq!(said("absent"), Ok(None));
        assert_eq!(said("b"), refused("five", "invalid syntax"));
        assert_eq!(
            said("c"),
            refused("9223372036854775808", "value out of range")
        );
        assert_eq!(
            said("d"),
            refused("-9223372036854775809", "value out of range")
        );
    }
}
