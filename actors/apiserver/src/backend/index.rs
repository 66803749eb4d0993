//! What lists and watches select an object by, read from its body once and packed, so that matching parses
//! nothing and memory stays small.

use std::fmt;

use model::objects::fields::Fields;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// An object's labels and selectable fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Index {
    /// `key NUL value NUL` for each label.
    labels: Box<str>,
    /// `value NUL` for each field of the resource's row, in its order.
    fields: Box<str>,
}

impl Index {
    /// Reads a body. One that is not an object has no labels and empty fields.
    pub(super) fn read(row: &Fields, body: &[u8]) -> Self {
        let mut found = Found {
            labels: String::new(),
            values: vec![String::new(); row.fields.len() * 2],
        };
        let wanted: Vec<Wanted> = std::iter::once((LABELS, Slot::Labels))
            .chain(row.fields.iter().enumerate().flat_map(|(at, field)| {
                [
                    (field.path, Slot::Value(at * 2)),
                    (field.otherwise, Slot::Value(at * 2 + 1)),
                ]
            }))
            .filter(|(path, _)| !path.is_empty())
            .collect();
        let seed = Walk {
            wanted: &wanted,
            found: &mut found,
        };
        let mut reader = serde_json::Deserializer::from_slice(body);
        if seed.deserialize(&mut reader).is_err() {
            found.labels.clear();
        }
        let mut fields = String::new();
        for (at, field) in row.fields.iter().enumerate() {
            let both = [&found.values[at * 2], &found.values[at * 2 + 1]];
            let value = both.into_iter().find(|value| !value.is_empty());
            fields.push_str(value.map_or(field.absent, String::as_str));
            fields.push('\0');
        }
        Index {
            labels: found.labels.into_boxed_str(),
            fields: fields.into_boxed_str(),
        }
    }

    /// A field by its place in the row.
    pub(super) fn field(&self, position: usize) -> &str {
        self.fields.split('\0').nth(position).unwrap_or("")
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.labels.len() + self.fields.len()
    }
}

impl model::rules::selector::Labels for Index {
    fn label(&self, key: &str) -> Option<&str> {
        let mut parts = self.labels.split('\0');
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            if name == key {
                return Some(value);
            }
        }
        None
    }
}

const LABELS: &[&str] = &["metadata", "labels"];

/// The rest of a path, and where what is there goes.
type Wanted = (&'static [&'static str], Slot);

#[derive(Clone, Copy)]
enum Slot {
    Labels,
    Value(usize),
}

struct Found {
    labels: String,
    values: Vec<String>,
}

/// Walks into the objects on the wanted paths and skips everything else.
struct Walk<'a> {
    wanted: &'a [Wanted],
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    fn keep(self, value: impl fmt::Display) {
        for (path, slot) in self.wanted {
            if let (true, Slot::Value(at)) = (path.is_empty(), slot) {
                self.found.values[*at] = value.to_string();
            }
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let labels = self
            .wanted
            .iter()
            .any(|(path, slot)| path.is_empty() && matches!(slot, Slot::Labels));
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if labels {
                let mut value = Found {
                    labels: String::new(),
                    values: vec![String::new()],
                };
                map.next_value_seed(Walk {
                    wanted: &[(&[], Slot::Value(0))],
                    found: &mut value,
                })?;
                for part in [key.as_ref(), value.values[0].as_str()] {
                    self.found.labels.push_str(part);
                    self.found.labels.push('\0');
                }
                continue;
            }
            let below: Vec<Wanted> = self
                .wanted
                .iter()
                .filter(|(path, _)| path.first() == Some(&key.as_ref()))
                .map(|(path, slot)| (&path[1..], *slot))
                .collect();
            if below.is_empty() {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Walk {
                    wanted: &below,
                    found: self.found,
                })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.keep(value);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.keep(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.keep(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.keep(value);
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::objects::fields;
    use model::rules::selector::Labels;

    use super::*;

    #[test]
    fn labels_and_fields_are_read_once_and_found_again() {
        let body = br#"{"kind":"Pod","metadata":{"labels":{"app":"web","empty":""},"name":"a"},
            "spec":{"nodeName":"n1","hostNetwork":true,"containers":[{"nodeName":"not this"}]},
            "status":{"phase":"Running","nested":{"phase":"nor this"}}}"#;
        let row = fields::of("", "pods");
        let index = Index::read(row, body);
        assert_eq!(index.label("app"), Some("web"));
        assert_eq!(index.label("empty"), Some(""));
        assert_eq!(index.label("web"), None);
        let field = |name| index.field(row.position(name).expect("a field of pods"));
        assert_eq!(field("spec.nodeName"), "n1");
        assert_eq!(field("spec.hostNetwork"), "true");
        assert_eq!(field("status.phase"), "Running");
        assert_eq!(field("status.podIP"), "");
    }

    #[test]
    fn absent_fields_have_their_defaults() {
        let nodes = Index::read(fields::of("", "nodes"), b"{}");
        assert_eq!(nodes.field(0), "false");
        let events = fields::of("", "events");
        let index = Index::read(events, br#"{"reportingComponent":"kubelet","source":{}}"#);
        let source = events.position("source").expect("a field of events");
        assert_eq!(index.field(source), "kubelet");
    }

    #[test]
    fn what_is_no_object_has_nothing() {
        let row = fields::of("", "pods");
        for body in [&b"[1,2]"[..], b"{\"metadata\":{\"labels\":{\"a\":", b"\xff"] {
            assert_eq!(Index::read(row, body).label("a"), None);
        }
    }
}
