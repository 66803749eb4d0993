//! Following everything of ours in an etcd, over its absences.

use std::collections::VecDeque;
use std::time::Duration;

use model::machines::relay::{Attachment, Input, Relay};
use model::machines::store::Limits;
use model::messages::store::{Event, KeyValue};
use model::objects::bytes::Bytes;
use shell::{Handle, Stopped};

use super::client::{Etcd, EtcdError, spoken};
use super::watch::{EtcdWatch, WatchEnd};

/// How long the first wait after a failure is; each after it is twice as long.
const RETRY_TIME: Duration = Duration::from_millis(50);
/// The longest.
const RETRY_TIME_MAX: Duration = Duration::from_secs(1);

/// Why etcd is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AttachError {
    #[error(transparent)]
    Unusable(#[from] EtcdError),
    #[error("etcd at {member}: {end}")]
    Ended { member: String, end: WatchEnd },
}

impl Etcd {
    /// Begins to follow: brings the events after a revision, or as many of the newest as are kept, up to a mark that
    /// is written now.
    pub(super) async fn attach(
        &self,
        after: Option<u64>,
        limits: &Limits,
    ) -> Result<(Attachment<Bytes>, EtcdWatch), AttachError> {
        self.check().await?;
        let member = &self.member().0;
        let mark = self.mark().await.map_err(|status| EtcdError::Unreached {
            member: member.clone(),
            reason: spoken(&status),
        })?;
        let oldest = mark.saturating_sub(limits.history_revisions);
        // A revision that this etcd has not reached is one of another etcd, or of this one before it lost some.
        let mut after = after.filter(|after| *after < mark).unwrap_or(oldest);
        loop {
            match self.collect(after, mark, limits).await {
                Ok(attached) => return Ok(attached),
                Err(WatchEnd::Compacted { compacted }) if compacted > after => after = compacted,
                Err(end) => {
                    return Err(AttachError::Ended {
                        member: member.clone(),
                        end,
                    });
                }
            }
        }
    }

    /// Reads a watch up to the mark.
    async fn collect(
        &self,
        mut after: u64,
        mark: u64,
        limits: &Limits,
    ) -> Result<(Attachment<Bytes>, EtcdWatch), WatchEnd> {
        let mut watch = self.watch_all(after).await?;
        let (mut events, mut bytes, mut revision) = (VecDeque::new(), 0, after);
        while revision < mark {
            let batch = watch.next().await?;
            revision = revision.max(batch.revision);
            for event in batch.events {
                bytes += size(&event);
                events.push_back(event);
            }
            // What is older than fits is as if it were compacted, whole revisions of it.
            while bytes > limits.history_bytes
                && let Some(first) = events.front().map(Event::revision)
            {
                while let Some(oldest) = events.pop_front_if(|event| event.revision() == first) {
                    bytes -= size(&oldest);
                }
                after = first;
            }
        }
        let attachment = Attachment {
            after,
            revision,
            events: events.into(),
        };
        Ok((attachment, watch))
    }
}

fn size(event: &Event<Bytes>) -> u64 {
    let of = |state: &KeyValue<Bytes>| state.value.as_ref().map_or(0, |value| value.len() as u64);
    let values = match event {
        Event::Put { now, previous } => of(now) + previous.as_ref().map_or(0, of),
        Event::Deleted { previous, .. } => previous.as_ref().map_or(0, of),
    };
    event.key().len() as u64 + values
}

/// Tells the machine everything that happens, until it has ended: what a watch brings, that it broke, and what the
/// next one goes on with.
pub(super) async fn follow(
    etcd: Etcd,
    limits: Limits,
    mut reached: u64,
    mut watch: EtcdWatch,
    machine: Handle<Relay<Bytes>>,
) {
    loop {
        let end = match pass_on(&mut watch, &mut reached, &machine).await {
            Ok(end) => end,
            Err(_) => return,
        };
        let (member, _) = etcd.member();
        let lost = AttachError::Ended {
            member: member.clone(),
            end,
        };
        match attach_again(&etcd, &limits, reached, lost, &machine).await {
            Ok((at, next)) => (reached, watch) = (at, next),
            Err(_) => return,
        }
    }
}

/// Passes on what a watch brings; why it ended.
async fn pass_on(
    watch: &mut EtcdWatch,
    reached: &mut u64,
    machine: &Handle<Relay<Bytes>>,
) -> Result<WatchEnd, Stopped> {
    loop {
        match watch.next().await {
            Ok(batch) => {
                *reached = (*reached).max(batch.revision);
                let (revision, events) = (batch.revision, batch.events);
                machine.send(Input::Fed { revision, events }).await?;
            }
            Err(end) => return Ok(end),
        }
    }
}

/// Attaches again, as often as it takes, and tells each time why not yet.
async fn attach_again(
    etcd: &Etcd,
    limits: &Limits,
    reached: u64,
    lost: AttachError,
    machine: &Handle<Relay<Bytes>>,
) -> Result<(u64, EtcdWatch), Stopped> {
    let (mut error, mut wait) = (lost, RETRY_TIME);
    loop {
        tracing::warn!(%error, "etcd is not followed");
        let reason = error.to_string();
        machine.send(Input::Detached { reason }).await?;
        error = match etcd.attach(Some(reached), limits).await {
            Ok((attachment, watch)) => {
                let revision = attachment.revision;
                tracing::info!(revision, "etcd is followed again");
                machine.send(Input::Attached(attachment)).await?;
                return Ok((revision, watch));
            }
            Err(error) => error,
        };
        etcd.turn_to_next();
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_TIME_MAX);
    }
}
