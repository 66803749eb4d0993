//! The JSON of tables, spliced around the metadata of stored objects.

use model::machine::Now;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{CellsError, Columns};

/// What a row carries of its object (`includeObject` of `TableOptions`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
    /// Nothing.
    None,
}

impl Include {
    /// Reads the query parameter; `None` if it is none of the three.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "Metadata" => Some(Include::Metadata),
            "Object" => Some(Include::Object),
            "None" => Some(Include::None),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
}

/// A table up to its rows, without `columnDefinitions` where the reader has had them.
pub fn head(metadata: &Value, columns: Option<&Columns>) -> Vec<u8> {
    let mut head = br#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":"#.to_vec();
    head.extend(metadata.to_string().as_bytes());
    head.extend(br#","columnDefinitions":"#);
    let definitions = columns.map_or(Value::Null, |columns| {
        let all = columns.definitions.iter().map(|column| {
            json!({
                "name": column.name,
                "type": column.of,
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            })
        });
        all.collect()
    });
    head.extend(definitions.to_string().as_bytes());
    head.extend(br#","rows":["#);
    head
}

/// A row of a table.
///
/// # Errors
/// If the stored object cannot be read.
pub fn row(
    columns: &Columns,
    include: Include,
    body: &[u8],
    now: Now,
    out: &mut Vec<u8>,
) -> Result<(), CellsError> {
    let cells = (columns.cells)(body, now)?;
    out.extend(br#"{"cells":"#);
    serde_json::to_writer(&mut *out, &cells)?;
    out.extend(br#","object":"#);
    match include {
        Include::Object => out.extend(body),
        Include::None => out.extend(b"null"),
        Include::Metadata => partial(body, out)?,
    }
    out.push(b'}');
    Ok(())
}

/// The `PartialObjectMetadata` of an object.
///
/// # Errors
/// If the stored object cannot be read.
pub fn partial(body: &[u8], out: &mut Vec<u8>) -> Result<(), CellsError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Partial<'a> {
        kind: &'static str,
        api_version: &'static str,
        metadata: &'a RawValue,
    }
    let outline: Outline<'_> = serde_json::from_slice(body)?;
    let partial = Partial {
        kind: "PartialObjectMetadata",
        api_version: "meta.k8s.io/v1",
        metadata: outline.metadata,
    };
    serde_json::to_writer(out, &partial)
}
