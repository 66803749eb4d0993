//! Watches as a stream of `{"type": …, "object": …}`, a line each.

use std::time::Duration;

use http::Response;
use model::messages::api::Change;
use model::objects::status::{Reason, Status};
use serde_json::json;
use tokio::time::Instant;

use super::body::AnswerBody;
use super::lists::splice;
use super::negotiate::Form;
use super::status::{to_value, with_type};
use crate::api::Api;
use crate::backend::{Item, Watch, WatchEvent};
use crate::kinds::Row;
use crate::metrics::Held;
use crate::table::{self, Include};

/// Bytes of events that go out at once.
const CHUNK_BYTES: usize = 64 << 10;

/// How long before its end a watch is told how far it is (as `cacheWatcher.nextBookmarkTime` of Kubernetes).
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// How a watch is shown, and for how long.
pub(super) struct Show {
    pub(super) row: &'static Row,
    pub(super) form: Form,
    pub(super) include: Include,
    pub(super) lasting: Duration,
    pub(super) unread_time_max: Duration,
    pub(super) ending: shell::Shutdown,
}

/// The answer to a watch that was opened, or that found its revision gone: that is told in the stream, as
/// Kubernetes tells it.
///
/// # Errors
/// What else has kept the watch from being opened. `held` counts it while it is open.
pub(super) fn answer(
    api: &Api,
    opened: Result<Watch, Status>,
    show: Show,
    held: Held,
) -> Result<Response<AnswerBody>, Status> {
    let opened = match opened {
        Err(status) if status.reason.code() != 410 => return Err(status),
        opened => opened,
    };
    let (sender, body) = AnswerBody::channel();
    let api = api.clone();
    tokio::task::spawn_local(async move {
        let _held = held;
        let mut writer = Writer {
            api,
            show,
            sender,
            headed: false,
        };
        match opened {
            Ok(watch) => writer.run(watch).await,
            Err(status) => {
                let _ = writer.send(failure(&status)).await;
            }
        }
    });
    Ok(with_type(200, "application/json", body))
}

struct Writer {
    api: Api,
    show: Show,
    sender: tokio::sync::mpsc::Sender<bytes::Bytes>,
    headed: bool,
}

/// The reader is gone, or does not read.
struct Gone;

impl Writer {
    async fn run(&mut self, mut watch: Watch) {
        let now = Instant::now();
        let end = now + self.show.lasting;
        let mut bookmark = end.checked_sub(LAST_BOOKMARK).filter(|at| *at > now);
        let ending = self.show.ending.clone();
        loop {
            let (marked, wanted) = (bookmark.unwrap_or(end), bookmark.is_some());
            let event = tokio::select! {
                biased;
                () = self.sender.closed() => return,
                _ = ending.requested() => return,
                () = tokio::time::sleep_until(end) => return,
                () = tokio::time::sleep_until(marked), if wanted => {
                    bookmark = None;
                    watch.ending().await;
                    continue;
                }
                event = watch.next() => event,
            };
            let Some(event) = event else { return };
            if self.write(event).await.is_err() {
                return;
            }
        }
    }

    async fn write(&mut self, event: WatchEvent) -> Result<(), Gone> {
        match event {
            WatchEvent::Changes(changes) => {
                let mut chunk = Vec::new();
                for (change, item) in &changes {
                    if let Err(error) = self.change(*change, item, &mut chunk) {
                        tracing::error!(%error, revision = item.revision(), "a stored object cannot be read");
                        let why = "Internal error occurred: a stored object cannot be read";
                        self.send(failure(&Status::new(Reason::InternalError, why)))
                            .await?;
                        return Err(Gone);
                    }
                    if chunk.len() >= CHUNK_BYTES {
                        self.send(std::mem::take(&mut chunk)).await?;
                    }
                }
                if chunk.is_empty() {
                    Ok(())
                } else {
                    self.send(chunk).await
                }
            }
            WatchEvent::Bookmark {
                revision,
                initial_events_end,
            } => {
                let line = self.bookmark(revision, initial_events_end);
                self.send(line).await
            }
            WatchEvent::Failed(status) => {
                self.send(failure(&status)).await?;
                Err(Gone)
            }
        }
    }

    fn change(
        &mut self,
        change: Change,
        item: &Item,
        out: &mut Vec<u8>,
    ) -> Result<(), table::CellsError> {
        let word = match change {
            Change::Added => "ADDED",
            Change::Modified => "MODIFIED",
            Change::Deleted => "DELETED",
        };
        out.extend(br#"{"type":""#);
        out.extend(word.as_bytes());
        out.extend(br#"","object":"#);
        let Show {
            row, form, include, ..
        } = self.show;
        let table = form == Form::Table;
        if table {
            let metadata = json!({ "resourceVersion": item.revision().to_string() });
            // Only the first table says what its columns are.
            let columns = (!self.headed).then_some(row.rules.columns);
            self.headed = true;
            out.extend(table::head(&metadata, columns));
        }
        splice(row, form, include, item, self.api.environment.now(), out)?;
        out.extend(if table { b"]}}\n".as_slice() } else { b"}\n" });
        Ok(())
    }

    fn bookmark(&self, revision: u64, initial_events_end: bool) -> Vec<u8> {
        let mut metadata = json!({ "resourceVersion": revision.to_string() });
        if initial_events_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let kind = self.show.row.kind;
        let object = match self.show.form {
            Form::Object => {
                json!({ "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata })
            }
            Form::Metadata => {
                json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata })
            }
            Form::Table => {
                json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "rows": [] })
            }
        };
        line(&json!({ "type": "BOOKMARK", "object": object }))
    }

    /// Hands bytes to the connection. A reader that takes nothing for too long is given up.
    async fn send(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        match tokio::time::timeout(self.show.unread_time_max, self.sender.send(bytes.into())).await
        {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Gone),
            Err(_) => {
                tracing::info!("a watch is ended: its reader takes nothing");
                self.api.metrics.watch_given_up();
                Err(Gone)
            }
        }
    }
}

fn failure(status: &Status) -> Vec<u8> {
    line(&json!({ "type": "ERROR", "object": to_value(status) }))
}

fn line(event: &serde_json::Value) -> Vec<u8> {
    let mut line = event.to_string().into_bytes();
    line.push(b'\n');
    line
}
