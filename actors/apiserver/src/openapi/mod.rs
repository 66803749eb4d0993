//! `/openapi/v3`: the index, and a document for each group and version (OpenAPI 3.0).
//!
//! Documents are made for each request and held by nobody: clients keep them, by the hash in their address.

mod operations;
mod schemas;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::http::GIT_VERSION;
use crate::http::path::group_versions;

/// The document at a path of OpenAPI; `None` if there is none. `/openapi/v2` is not served: it has its clients
/// fall back to this one.
pub fn document(path: &str) -> Option<Bytes> {
    let rest = path.trim_end_matches('/').strip_prefix("/openapi/v3")?;
    if rest.is_empty() {
        return Some(Bytes::from(index().to_string()));
    }
    let (group, version) = match rest
        .trim_start_matches('/')
        .split('/')
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["api", version] => ("", (*version).to_owned()),
        ["apis", group, version] => (*group, (*version).to_owned()),
        _ => return None,
    };
    let known = group_versions();
    let (group, version) = known.iter().find(|(g, v)| *g == group && **v == version)?;
    let document = json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": GIT_VERSION },
        "paths": operations::paths(group, version),
        "components": { "schemas": schemas::of_group(group, version) },
    });
    serde_json::to_vec(&document).ok().map(Bytes::from)
}

/// Where the documents are. The hash changes with the version of this server, and so with its schemas.
fn index() -> Value {
    let mut paths = Map::new();
    for (group, version) in group_versions() {
        let path = match group {
            "" => format!("api/{version}"),
            group => format!("apis/{group}/{version}"),
        };
        let address = format!("/openapi/v3/{path}?hash={}", hash());
        paths.insert(path, json!({ "serverRelativeURL": address }));
    }
    json!({ "paths": paths })
}

/// FNV-1a of the version, in 16 hexadecimal digits.
fn hash() -> String {
    let fnv = GIT_VERSION
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("{fnv:016X}")
}
