//! Lists and single objects, spliced from the stored bytes in the form that was asked for.

use bytes::Bytes;
use http::Response;
use model::machine::Now;
use model::objects::status::{Reason, Status};
use serde_json::{Value, json};

use super::body::AnswerBody;
use super::negotiate::Form;
use super::status::{json_answer, with_type};
use crate::backend::{Item, List};
use crate::kinds::Row;
use crate::table::{self, Include};

/// Bytes that are gathered before they are handed to the connection.
const CHUNK_BYTES: usize = 64 << 10;

/// One object.
///
/// # Errors
/// 500 if the stored object cannot be read.
pub(super) fn one(
    row: &Row,
    form: Form,
    include: Include,
    item: &Item,
    code: u16,
    now: Now,
) -> Result<Response<AnswerBody>, Status> {
    let body = match form {
        Form::Object => Bytes::from_owner(item.body().clone()),
        Form::Metadata => {
            let mut out = Vec::new();
            table::partial(item.body(), &mut out).map_err(unreadable)?;
            out.into()
        }
        Form::Table => {
            let metadata = json!({ "resourceVersion": item.revision().to_string() });
            let mut out = table::head(&metadata, Some(row.rules.columns));
            table::row(row.rules.columns, include, item.body(), now, &mut out)
                .map_err(unreadable)?;
            out.extend(b"]}");
            out.into()
        }
    };
    Ok(json_answer(code, body))
}

/// A list: whole if it is short, else sent as it is made, so that a large one is never held twice.
///
/// # Errors
/// 500 if a stored object at its beginning cannot be read.
pub(super) fn many(
    row: &'static Row,
    form: Form,
    include: Include,
    list: List,
    now: Now,
) -> Result<Response<AnswerBody>, Status> {
    let mut items = Items {
        row,
        form,
        include,
        now,
        next: 0,
    };
    let mut chunk = opening(row, form, &list);
    if items.fill(&list, &mut chunk).map_err(unreadable)? {
        return Ok(json_answer(200, chunk.into()));
    }
    let (sender, body) = AnswerBody::channel();
    tokio::task::spawn_local(async move {
        let mut ended = false;
        while !ended {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BYTES + (8 << 10)));
            if sender.send(full.into()).await.is_err() {
                return;
            }
            ended = match items.fill(&list, &mut chunk) {
                Ok(ended) => ended,
                Err(error) => {
                    // The answer has begun: ending it short is what tells the client.
                    return tracing::error!(%error, "a stored object cannot be read");
                }
            };
        }
        // A reader that is gone needs no end.
        let _ = sender.send(chunk.into()).await;
    });
    Ok(with_type(200, "application/json", body))
}

/// How far a list has been written.
struct Items {
    row: &'static Row,
    form: Form,
    include: Include,
    now: Now,
    next: usize,
}

impl Items {
    /// Appends items until the chunk is full or the list has ended; whether it has.
    fn fill(&mut self, list: &List, chunk: &mut Vec<u8>) -> Result<bool, table::CellsError> {
        while let Some(item) = list.items.get(self.next) {
            if chunk.len() >= CHUNK_BYTES {
                return Ok(false);
            }
            if self.next > 0 {
                chunk.push(b',');
            }
            splice(self.row, self.form, self.include, item, self.now, chunk)?;
            self.next += 1;
        }
        chunk.extend(b"]}");
        Ok(true)
    }
}

fn opening(row: &Row, form: Form, list: &List) -> Vec<u8> {
    let mut metadata = json!({ "resourceVersion": list.revision.to_string() });
    if !list.continue_token.is_empty() {
        metadata["continue"] = list.continue_token.as_str().into();
    }
    if let Some(remaining) = list.remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    if form == Form::Table {
        return table::head(&metadata, Some(row.rules.columns));
    }
    let (kind, api_version) = match form {
        Form::Metadata => (
            "PartialObjectMetadataList".to_owned(),
            "meta.k8s.io/v1".to_owned(),
        ),
        _ => (format!("{}List", row.kind.kind), row.kind.api_version()),
    };
    format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{metadata},\"items\":[",
        Value::from(kind),
        Value::from(api_version)
    )
    .into_bytes()
}

/// An object in a form, as an item of a list or the object of an event.
pub(super) fn splice(
    row: &Row,
    form: Form,
    include: Include,
    item: &Item,
    now: Now,
    out: &mut Vec<u8>,
) -> Result<(), table::CellsError> {
    match form {
        Form::Object => out.extend_from_slice(item.body()),
        Form::Metadata => table::partial(item.body(), out)?,
        Form::Table => table::row(row.rules.columns, include, item.body(), now, out)?,
    }
    Ok(())
}

fn unreadable(error: table::CellsError) -> Status {
    Status::new(
        Reason::InternalError,
        format!("Internal error occurred: a stored object cannot be read: {error}"),
    )
}
