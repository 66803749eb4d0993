//! Bodies in YAML: those of requests are turned into JSON before anything else looks at them, those of answers are
//! made of JSON after everything else.
//!
//! Source: "Resource representations" of the API concepts: a server reads and writes `application/yaml` where it does
//! JSON, but for watches.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::BodyExt;
use model::objects::status::{Reason, Status};
use serde_json::Value;

use super::body::AnswerBody;
use super::{negotiate, status};

/// The body as JSON, if its type says that it is YAML; else as it is. Keys that stand twice, several documents, and
/// anchors that grow beyond measure are refused.
///
/// # Errors
/// 400 for a body that is no YAML of this kind.
pub(super) fn as_json(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Status> {
    if !negotiate::is_yaml(headers) || body.is_empty() {
        return Ok(body);
    }
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        with_snippet: false,
    };
    let value: Value = serde_saphyr::from_slice_with_options(&body, options).map_err(|error| {
        let why = format!("couldn't get version/kind; yaml parse error: {error}");
        Status::new(Reason::BadRequest, why)
    })?;
    Ok(Bytes::from(value.to_string()))
}

/// An answer of JSON as YAML; one of another type as it is. A list is gathered whole for it.
pub(super) async fn of_json(response: Response<AnswerBody>) -> Response<AnswerBody> {
    const JSON: &[u8] = b"application/json";
    let media = response.headers().get(header::CONTENT_TYPE);
    if !media.is_some_and(|media| media.as_bytes().starts_with(JSON)) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(json) = body.collect().await;
    // A list breaks off where an object of it cannot be read.
    let text = serde_json::from_slice::<Value>(&json.to_bytes())
        .map_err(|error| error.to_string())
        .and_then(|value| serde_saphyr::to_string(&value).map_err(|error| error.to_string()));
    match text {
        Ok(text) => {
            parts.headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static(negotiate::YAML),
            );
            Response::from_parts(parts, Bytes::from(text).into())
        }
        Err(error) => status::answer(&Status::new(
            Reason::InternalError,
            format!("Internal error occurred: the answer cannot be written as YAML: {error}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    fn read(media: &'static str, body: &'static str) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        as_json(&headers, Bytes::from_static(body.as_bytes()))
            .map(|json| String::from_utf8_lossy(&json).into_owned())
            .map_err(|status| status.message)
    }

    #[test]
    fn yaml_becomes_json() {
        let yaml = "kind: Pod\nmetadata: {name: a}\nspec:\n- &x {n: 1.5, on: \"yes\"}\n- *x\n";
        let json = r#"{"kind":"Pod","metadata":{"name":"a"},"spec":[{"n":1.5,"on":"yes"},{"n":1.5,"on":"yes"}]}"#;
        for media in ["application/yaml", "application/yaml; charset=utf-8"] {
            let (value, expected): (Value, Value) = (
                serde_json::from_str(&read(media, yaml).expect("YAML")).expect("JSON"),
                serde_json::from_str(json).expect("JSON"),
            );
            assert_eq!(value, expected);
        }
        assert_eq!(read("application/json", "a: 1"), Ok("a: 1".to_owned()));
    }

    #[test]
    fn what_is_ambiguous_or_endless_is_refused() {
        let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n\
                    b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
                    c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n\
                    d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n\
                    e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n\
                    f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n\
                    g: [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]\n";
        for body in ["a: 1\na: 2\n", "a: 1\n---\nb: 2\n", "a: [", "{a: 1}}", bomb] {
            let refused = read("application/yaml", body).expect_err(body);
            assert!(refused.contains("yaml parse error"), "{body}: {refused}");
        }
    }
}
