//! Failures as `kind: Status` of `meta/v1`.

use http::{Response, StatusCode, header};
use model::objects::status::{Reason, Status};
use serde_json::{Map, Value, json};

use super::body::AnswerBody;

/// A failure as an answer.
pub fn answer(status: &Status) -> Response<AnswerBody> {
    let body = serde_json::to_vec(&to_value(status)).unwrap_or_default();
    let mut response = json_answer(status.reason.code(), body.into());
    let seconds = status.details.retry_after_seconds;
    if seconds > 0 {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// An answer of JSON.
pub fn json_answer(code: u16, body: bytes::Bytes) -> Response<AnswerBody> {
    with_type(code, "application/json", body.into())
}

/// An answer of plain text.
pub fn text_answer(code: u16, text: impl Into<String>) -> Response<AnswerBody> {
    let body = bytes::Bytes::from(text.into());
    with_type(code, "text/plain; charset=utf-8", body.into())
}

/// An answer of a media type.
pub fn with_type(code: u16, media: &'static str, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(media),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-cache, private"),
    );
    response
}

/// A failure as JSON.
pub fn to_value(status: &Status) -> Value {
    let mut metadata = json!({});
    if !status.details.continue_token.is_empty() {
        metadata["continue"] = status.details.continue_token.as_str().into();
    }
    let mut value = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": metadata,
        "status": "Failure",
        "message": status.message,
        "reason": word(status.reason),
        "code": status.reason.code(),
    });
    let details = details(status);
    // kubectl reads details of these without asking whether there are any.
    let always = matches!(
        status.reason,
        Reason::NotFound
            | Reason::MethodNotAllowed
            | Reason::NotAcceptable
            | Reason::UnsupportedMediaType
    );
    if always || !details.is_empty() {
        value["details"] = Value::Object(details);
    }
    value
}

/// `Status: Success`, as deletions answer whose object is gone at once.
pub fn success(details: Value) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}

fn details(status: &Status) -> Map<String, Value> {
    let from = &status.details;
    let mut details = Map::new();
    let texts = [
        ("name", &from.name),
        ("group", &from.group),
        ("kind", &from.kind),
        ("uid", &from.uid),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        details.insert(name.to_owned(), text.as_str().into());
    }
    if !from.causes.is_empty() {
        let causes = from.causes.iter().map(|cause| {
            let mut value = json!({ "reason": cause.reason, "message": cause.message });
            if !cause.field.is_empty() {
                value["field"] = cause.field.as_str().into();
            }
            value
        });
        details.insert("causes".to_owned(), causes.collect());
    }
    if from.retry_after_seconds > 0 {
        details.insert(
            "retryAfterSeconds".to_owned(),
            from.retry_after_seconds.into(),
        );
    }
    details
}

fn word(reason: Reason) -> String {
    format!("{reason:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_there_where_kubectl_reads_them() {
        for (reason, there) in [
            (Reason::NotFound, true),
            (Reason::MethodNotAllowed, true),
            (Reason::NotAcceptable, true),
            (Reason::UnsupportedMediaType, true),
            (Reason::BadRequest, false),
        ] {
            let value = to_value(&Status::new(reason, "why"));
            let expected = there.then(|| json!({}));
            assert_eq!(value.get("details"), expected.as_ref(), "{reason:?}");
        }
    }
}
