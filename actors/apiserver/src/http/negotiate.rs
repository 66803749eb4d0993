//! Which representation a client accepts, and in which one its body is.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use model::messages::api::PatchType;
use model::objects::status::{Reason, Status};

/// The form in which objects are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Object,
    /// `meta.k8s.io/v1` `Table`: columns and cells, as `kubectl get` prints them.
    Table,
    /// `meta.k8s.io/v1` `PartialObjectMetadata` or `PartialObjectMetadataList`.
    Metadata,
}

/// A media range of an `Accept` header with its parameters.
struct Range<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        Range {
            media,
            parameters: parts.filter_map(|part| part.split_once('=')).collect(),
        }
    }

    fn parameter(&self, name: &str) -> &'a str {
        let found = self.parameters.iter().find(|(own, _)| *own == name);
        found.map_or("", |(_, value)| value.trim_matches('"'))
    }

    fn is_json(&self) -> bool {
        matches!(
            self.media,
            "application/json" | "application/*" | "*/*" | ""
        )
    }
}

fn ranges(headers: &HeaderMap) -> Vec<Range<'_>> {
    let values = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut all: Vec<Range<'_>> = values
        .flat_map(|value| value.split(','))
        .map(|one| Range::parse(one.trim()))
        .collect();
    if all.is_empty() {
        all.push(Range::parse("*/*"));
    }
    all
}

/// The first form among those accepted that is served.
///
/// # Errors
/// 406, naming what is served.
pub fn form(headers: &HeaderMap) -> Result<Form, Status> {
    for range in ranges(headers).iter().filter(|range| range.is_json()) {
        let v1_meta = range.parameter("g") == "meta.k8s.io" && range.parameter("v") == "v1";
        match range.parameter("as") {
            "" => return Ok(Form::Object),
            "Table" if v1_meta => return Ok(Form::Table),
            "PartialObjectMetadata" | "PartialObjectMetadataList" if v1_meta => {
                return Ok(Form::Metadata);
            }
            _ => {}
        }
    }
    Err(not_acceptable())
}

/// Whether aggregated discovery is asked for before the older form.
///
/// # Errors
/// 406, naming what is served.
pub fn aggregated_discovery(headers: &HeaderMap) -> Result<bool, Status> {
    for range in ranges(headers).iter().filter(|range| range.is_json()) {
        match range.parameter("as") {
            "" => return Ok(false),
            "APIGroupDiscoveryList"
                if range.parameter("g") == "apidiscovery.k8s.io"
                    && range.parameter("v") == "v2" =>
            {
                return Ok(true);
            }
            _ => {}
        }
    }
    Err(not_acceptable())
}

/// Checks that plain JSON is accepted.
///
/// # Errors
/// 406, naming what is served.
pub fn plain_json(headers: &HeaderMap) -> Result<(), Status> {
    let accepted = ranges(headers)
        .iter()
        .any(|range| range.is_json() && range.parameter("as").is_empty());
    if accepted {
        Ok(())
    } else {
        Err(not_acceptable())
    }
}

fn not_acceptable() -> Status {
    Status::new(
        Reason::NotAcceptable,
        "only the following media types are accepted: application/json",
    )
}

/// Checks that a body is JSON, or was YAML. A body without a type is taken for JSON.
///
/// # Errors
/// 415, naming what is read.
pub fn json_body(headers: &HeaderMap) -> Result<(), Status> {
    match content_type(headers) {
        "" | "application/json" | "application/yaml" => Ok(()),
        _ => Err(unsupported("application/json, application/yaml")),
    }
}

/// The kinds of patch that are read, as the header `Accept-Patch` lists them.
pub const ACCEPT_PATCH: &str = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json";

/// How a patch is to be read.
///
/// # Errors
/// 415, naming what is read: server-side apply is not.
pub fn patch_type(headers: &HeaderMap) -> Result<PatchType, Status> {
    match content_type(headers) {
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchType::StrategicMerge),
        _ => Err(unsupported(ACCEPT_PATCH)),
    }
}

/// Whether a body is YAML.
pub fn is_yaml(headers: &HeaderMap) -> bool {
    content_type(headers) == "application/yaml"
}

/// Whether a body is protobuf.
pub fn is_protobuf(headers: &HeaderMap) -> bool {
    content_type(headers) == "application/vnd.kubernetes.protobuf"
}

fn unsupported(accepted: &str) -> Status {
    Status::new(
        Reason::UnsupportedMediaType,
        format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        ),
    )
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}
