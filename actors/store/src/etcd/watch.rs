//! One watch of etcd: its events in whole revisions.

use bytes::Bytes as Raw;
use model::messages::store::{Event, KeyRange};
use model::objects::bytes::Bytes;
use tonic::Streaming;

use super::client::{Etcd, spoken};
use super::grpc;
use super::wire::{self, revision, signed, unsigned};

/// How many events are passed on at once, a whole revision more at most.
const BATCH: usize = 512;

/// A watch that is open.
pub struct EtcdWatch {
    etcd: Etcd,
    stream: Streaming<wire::WatchResponse>,
    /// Events that have come, of which the last revision may not be whole.
    gathered: Vec<(u64, Option<Event<Bytes>>)>,
    /// Every event up to this revision is gathered or was passed on, if no fragment is missing.
    reached: u64,
    /// Whether what was gathered ends inside a response.
    fragment: bool,
}

/// Events of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Every event up to this revision has been passed on.
    pub revision: u64,
    /// Those after what was passed on before, in order; none if etcd only told how far it is.
    pub events: Vec<Event<Bytes>>,
}

/// Why a watch has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchEnd {
    /// What it should begin with, or go on with, is compacted.
    #[error("etcd is compacted to revision {compacted}")]
    Compacted {
        /// Events after this revision can be watched.
        compacted: u64,
    },
    /// Anything else.
    #[error("{0}")]
    Broken(String),
}

impl Etcd {
    /// Watches keys of the store from after a revision; etcd waits for one that does not exist yet.
    ///
    /// # Errors
    /// If etcd does not answer.
    pub async fn watch(
        &self,
        range: &KeyRange,
        after: u64,
        previous: bool,
    ) -> Result<EtcdWatch, WatchEnd> {
        self.watch_between(self.space.range(range), after, previous)
            .await
    }

    /// Watches everything of ours, the mark too.
    pub(super) async fn watch_all(&self, after: u64) -> Result<EtcdWatch, WatchEnd> {
        self.watch_between(self.space.everything(), after, true)
            .await
    }

    async fn watch_between(
        &self,
        (key, range_end): (Raw, Raw),
        after: u64,
        prev_kv: bool,
    ) -> Result<EtcdWatch, WatchEnd> {
        let create = wire::WatchCreateRequest {
            key,
            range_end,
            start_revision: signed(after.saturating_add(1)),
            progress_notify: true,
            prev_kv,
            fragment: true,
        };
        let request = wire::WatchRequest {
            request_union: Some(wire::WatchRequestUnion::Create(create)),
        };
        let stream = grpc::open(self.channel(), "/etcdserverpb.Watch/Watch", request)
            .await
            .map_err(|status| WatchEnd::Broken(spoken(&status)))?;
        Ok(EtcdWatch {
            etcd: self.clone(),
            stream,
            gathered: Vec::new(),
            reached: after,
            fragment: false,
        })
    }
}

impl EtcdWatch {
    /// The next events, or how far the watch is. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// Why it has ended.
    pub async fn next(&mut self) -> Result<Batch, WatchEnd> {
        loop {
            if let Some(batch) = self.whole() {
                return Ok(batch);
            }
            let response = match self.stream.message().await {
                Ok(Some(response)) => response,
                Ok(None) => return Err(WatchEnd::Broken("etcd ended the watch".to_owned())),
                Err(status) => return Err(WatchEnd::Broken(spoken(&status))),
            };
            if let Some(batch) = self.take_in(response)? {
                return Ok(batch);
            }
        }
    }

    fn take_in(&mut self, response: wire::WatchResponse) -> Result<Option<Batch>, WatchEnd> {
        if response.canceled {
            return Err(match (response.compact_revision, response.cancel_reason) {
                (compacted, _) if compacted > 0 => WatchEnd::Compacted {
                    compacted: unsigned(compacted),
                },
                (_, reason) => WatchEnd::Broken(format!("etcd cancelled the watch: {reason}")),
            });
        }
        let tells_progress = response.events.is_empty() && !response.created;
        if tells_progress && !self.fragment && self.gathered.is_empty() {
            self.reached = self.reached.max(revision(&response.header));
            return Ok(Some(Batch {
                revision: self.reached,
                events: Vec::new(),
            }));
        }
        if !response.events.is_empty() {
            self.fragment = response.fragment;
        }
        for event in response.events {
            let event = self
                .etcd
                .space
                .event(event)
                .map_err(|foreign| WatchEnd::Broken(foreign.to_string()))?;
            self.gathered.push(event);
        }
        Ok(None)
    }

    /// What was gathered, as far as its revisions are certainly whole, and not much at a time.
    fn whole(&mut self) -> Option<Batch> {
        let last = self.gathered.last()?.0;
        let complete = match self.fragment {
            // The last revision may go on in the next fragment.
            true => self.gathered.partition_point(|(at, _)| *at < last),
            false => self.gathered.len(),
        };
        let wanted = complete.min(BATCH);
        let cut_at = self.gathered.get(wanted.checked_sub(1)?)?.0;
        let cut = self.gathered.partition_point(|(at, _)| *at <= cut_at);
        self.reached = self.reached.max(cut_at);
        let events = self.gathered.drain(..cut).filter_map(|(_, event)| event);
        Some(Batch {
            revision: cut_at,
            events: events.collect(),
        })
    }
}
