//! Reading fields of an object that its schema has accepted. What is not there reads as empty.

use serde_json::Value;

/// A field; `Null` if it is not there.
pub(super) fn get<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// A text; empty if it is not there.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    get(value, name).as_str().unwrap_or_default()
}

/// The items of a list; none if it is not there.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    get(value, name).as_array().map_or(&[], Vec::as_slice)
}

/// The entries of a map in the order of their keys; none if it is not there.
pub(super) fn entries<'a>(
    value: &'a Value,
    name: &str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let map = get(value, name).as_object();
    map.into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value))
}
