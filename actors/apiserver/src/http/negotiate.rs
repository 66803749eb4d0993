//! Which representation a client accepts, and in which one its body is.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use model::messages::api::PatchType;
use model::objects::status::{Reason, Status};

/// The media type of YAML (RFC 9512).
pub const YAML: &str = "application/yaml";

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

/// A media range of an `Accept` header with its parameters. Types and the names of parameters come in any case
/// (RFC 9110, section 8.3.1).
struct Range<'a> {
    media: String,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        Range {
            media,
            parameters: parts.filter_map(|part| part.split_once('=')).collect(),
        }
    }

    fn parameter(&self, name: &str) -> &'a str {
        let found = self
            .parameters
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.trim_matches('"'))
    }

    fn is_json(&self) -> bool {
        matches!(
            self.media.as_str(),
            "application/json" | "application/*" | "*/*" | ""
        )
    }

    fn is_yaml(&self) -> bool {
        self.media == YAML
    }

    /// Whether an answer can be of this type: what is answered in YAML is made as JSON first.
    fn is_served(&self) -> bool {
        self.is_json() || self.is_yaml()
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
    form_of(headers, |range| range.is_served()).ok_or_else(not_acceptable)
}

/// As [`form`], for the events of a watch: they are JSON only.
///
/// # Errors
/// 406, naming what is served.
pub fn watch_form(headers: &HeaderMap) -> Result<Form, Status> {
    form_of(headers, |range| range.is_json()).ok_or_else(|| acceptable("application/json"))
}

/// Whether the answer is to be YAML: that stands before JSON among what is accepted.
pub fn wants_yaml(headers: &HeaderMap) -> bool {
    let ranges = ranges(headers);
    let first = ranges.iter().find(|range| range.is_served());
    first.is_some_and(Range::is_yaml)
}

fn form_of(headers: &HeaderMap, served: fn(&Range<'_>) -> bool) -> Option<Form> {
    for range in ranges(headers).iter().filter(|range| served(range)) {
        let v1_meta = range.parameter("g") == "meta.k8s.io" && range.parameter("v") == "v1";
        match range.parameter("as") {
            "" => return Some(Form::Object),
            "Table" if v1_meta => return Some(Form::Table),
            "PartialObjectMetadata" | "PartialObjectMetadataList" if v1_meta => {
                return Some(Form::Metadata);
            }
            _ => {}
        }
    }
    None
}

/// Whether aggregated discovery is asked for before the older form.
///
/// # Errors
/// 406, naming what is served.
pub fn aggregated_discovery(headers: &HeaderMap) -> Result<bool, Status> {
    for range in ranges(headers).iter().filter(|range| range.is_served()) {
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

/// Checks that plain JSON is accepted, or what can be made of it.
///
/// # Errors
/// 406, naming what is served.
pub fn plain_json(headers: &HeaderMap) -> Result<(), Status> {
    let accepted = ranges(headers)
        .iter()
        .any(|range| range.is_served() && range.parameter("as").is_empty());
    if accepted {
        Ok(())
    } else {
        Err(not_acceptable())
    }
}

fn not_acceptable() -> Status {
    acceptable("application/json, application/yaml")
}

fn acceptable(served: &str) -> Status {
    Status::new(
        Reason::NotAcceptable,
        format!("only the following media types are accepted: {served}"),
    )
}

/// Checks that a body is JSON, or was YAML. A body without a type is taken for JSON.
///
/// # Errors
/// 415, naming what is read.
pub fn json_body(headers: &HeaderMap) -> Result<(), Status> {
    match content_type(headers).as_str() {
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
    match content_type(headers).as_str() {
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchType::StrategicMerge),
        _ => Err(unsupported(ACCEPT_PATCH)),
    }
}

/// Whether a body is YAML.
pub fn is_yaml(headers: &HeaderMap) -> bool {
    content_type(headers) == YAML
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

/// Without parameters, in lower case.
fn content_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepting(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(text))])
    }

    #[test]
    fn types_come_in_any_case() {
        let table = "APPLICATION/Json; AS=Table; V=v1; g=meta.k8s.io";
        assert_eq!(form(&accepting(table)), Ok(Form::Table));
        assert!(wants_yaml(&accepting("Application/YAML")));
        let of_type = |text| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]);
        assert_eq!(
            json_body(&of_type("Application/JSON; charset=UTF-8")),
            Ok(())
        );
        assert!(is_yaml(&of_type("application/YAML")));
        assert!(is_protobuf(&of_type("Application/vnd.Kubernetes.protobuf")));
        let merge = of_type("application/Merge-Patch+json");
        assert_eq!(patch_type(&merge), Ok(PatchType::Merge));
    }

    #[test]
    fn yaml_is_served_but_not_watched() {
        let yaml = accepting("application/yaml");
        assert_eq!(form(&yaml), Ok(Form::Object));
        assert_eq!(plain_json(&yaml), Ok(()));
        let refused = watch_form(&yaml).expect_err("events are JSON");
        assert_eq!(refused.reason, Reason::NotAcceptable);
        for (accepted, expected) in [
            ("application/yaml, application/json", true),
            ("application/json, application/yaml", false),
            ("text/html, application/yaml;q=0.9, */*", true),
            ("*/*", false),
        ] {
            assert_eq!(wants_yaml(&accepting(accepted)), expected, "{accepted}");
        }
        let either = accepting("application/yaml, application/json");
        assert_eq!(watch_form(&either), Ok(Form::Object));
    }
}
