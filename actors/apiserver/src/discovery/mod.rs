//! What is served, as clients ask it: `/api`, `/apis` and below, and the aggregated form of both (KEP-3352).
//!
//! Built from the table of kinds for each request, so that nothing is held while nobody asks.

mod aggregated;
mod resources;

use http::HeaderMap;
use model::objects::kinds::KINDS;
use model::objects::status::Status;
use serde_json::{Value, json};

use crate::http::negotiate;
use crate::http::path::group_versions;

/// The media type of aggregated discovery.
pub const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A document of discovery and its media type; `None` if the path is none of discovery's.
///
/// # Errors
/// 406 where none of the accepted forms is served.
pub fn document(path: &str, headers: &HeaderMap) -> Result<Option<(Value, &'static str)>, Status> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let json = "application/json";
    match segments.as_slice() {
        ["api"] | ["apis"] => {
            let core = segments == ["api"];
            if negotiate::aggregated_discovery(headers)? {
                return Ok(Some((aggregated::groups(core), AGGREGATED)));
            }
            Ok(Some((if core { versions() } else { groups() }, json)))
        }
        ["apis", group] => {
            negotiate::plain_json(headers)?;
            Ok(group_of(group).map(|mut value| {
                value["kind"] = "APIGroup".into();
                value["apiVersion"] = "v1".into();
                (value, json)
            }))
        }
        ["api", version] => {
            negotiate::plain_json(headers)?;
            Ok(resources::list("", version).map(|value| (value, json)))
        }
        ["apis", group, version] => {
            negotiate::plain_json(headers)?;
            Ok(resources::list(group, version).map(|value| (value, json)))
        }
        _ => Ok(None),
    }
}

fn versions() -> Value {
    let core = KINDS.iter().filter(|kind| kind.group.is_empty());
    let mut versions: Vec<&str> = core.map(|kind| kind.version).collect();
    versions.dedup();
    json!({ "kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": [] })
}

fn groups() -> Value {
    let mut names: Vec<&str> = Vec::new();
    for (group, _) in group_versions() {
        if !group.is_empty() && !names.contains(&group) {
            names.push(group);
        }
    }
    let groups: Vec<Value> = names.into_iter().filter_map(group_of).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn group_of(group: &str) -> Option<Value> {
    let all = group_versions();
    let versions: Vec<Value> = all
        .iter()
        .filter(|(own, _)| !own.is_empty() && *own == group)
        .map(|(_, version)| json!({ "groupVersion": format!("{group}/{version}"), "version": version }))
        .collect();
    let preferred = versions.first()?.clone();
    Some(json!({ "name": group, "versions": versions, "preferredVersion": preferred }))
}
