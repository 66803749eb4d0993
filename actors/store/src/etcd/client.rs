//! A client of etcd that speaks the store's messages.

use std::cell::Cell;
use std::rc::Rc;

use model::machines::relay::CallError;
use model::machines::store::Limits;
use model::messages::store::{
    KeyRange, RangeRequest, RangeResponse, StoreError, StoreRequest, StoreResponse, StoreStatus,
    Transaction,
};
use model::objects::bytes::Bytes;
use tonic::Status;
use tonic::transport::Channel;

use super::address::EtcdAddress;
use super::refusal::{Refusal, refusal};
use super::space::{Foreign, Space};
use super::wire::{self, revision, signed, unsigned};
use super::{answered, asked, grpc};

/// How many keys are asked for at once.
const PAGE: u32 = 512;

/// A client of one etcd cluster. Clones share its connections.
#[derive(Clone)]
pub struct Etcd {
    members: Rc<[(String, Channel)]>,
    /// Which member is asked at present.
    current: Rc<Cell<usize>>,
    pub(super) space: Space,
    limits: Limits,
}

/// Why an etcd cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EtcdError {
    /// It does not answer.
    #[error("etcd at {member} is not reached: {reason}")]
    Unreached {
        /// Its URL.
        member: String,
        /// Why.
        reason: String,
    },
    /// It is too old, or no etcd.
    #[error("etcd at {member} has version {version}: 3.4 or later is needed")]
    Version {
        /// Its URL.
        member: String,
        /// What it says of itself.
        version: String,
    },
}

impl Etcd {
    /// A client; it connects when it is used.
    ///
    /// # Errors
    /// If a member's URL cannot be one.
    pub fn new(address: &EtcdAddress, limits: Limits) -> Result<Self, tonic::transport::Error> {
        let members = address
            .members
            .iter()
            .map(|url| Ok((url.clone(), grpc::channel(url)?)))
            .collect::<Result<_, _>>()?;
        Ok(Etcd {
            members,
            current: Rc::default(),
            space: Space::new(&address.prefix),
            limits,
        })
    }

    /// The member that is asked at present.
    pub(super) fn member(&self) -> &(String, Channel) {
        &self.members[self.current.get() % self.members.len()]
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.member().1
    }

    /// Asks another member from now on, if there is one.
    pub(super) fn turn_to_next(&self) {
        self.current
            .set((self.current.get() + 1) % self.members.len());
    }

    /// Checks that the member is there and new enough.
    ///
    /// # Errors
    /// If it is not.
    pub async fn check(&self) -> Result<(), EtcdError> {
        let member = self.member().0.clone();
        let status: wire::StatusResponse = match self.status().await {
            Ok(status) => status,
            Err(status) => {
                return Err(EtcdError::Unreached {
                    member,
                    reason: spoken(&status),
                });
            }
        };
        let mut numbers = status.version.split('.').map(str::parse::<u64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (3, 4) => Ok(()),
            _ => Err(EtcdError::Version {
                member,
                version: status.version,
            }),
        }
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// If there is no answer. What etcd refuses is [`StoreResponse::Failed`].
    pub async fn ask(
        &self,
        request: &StoreRequest<Bytes>,
    ) -> Result<StoreResponse<Bytes>, CallError> {
        match self.carry_out(request).await {
            Ok(response) => Ok(response),
            Err(Failure::Foreign(foreign)) => {
                let reason = foreign.to_string();
                Ok(StoreResponse::Failed(StoreError::Unavailable { reason }))
            }
            Err(Failure::Status(status)) => self.explain(status, request).await,
        }
    }

    async fn carry_out(
        &self,
        request: &StoreRequest<Bytes>,
    ) -> Result<StoreResponse<Bytes>, Failure> {
        Ok(match request {
            StoreRequest::Range(asked) => StoreResponse::Range(self.range(asked).await?),
            StoreRequest::Transaction(asked) => self.transaction(asked).await?,
            StoreRequest::LeaseGrant { lease: 0, .. }
            | StoreRequest::LeaseGrant { ttl_seconds: 0, .. } => {
                StoreResponse::Failed(StoreError::LeaseInvalid)
            }
            StoreRequest::LeaseGrant { lease, ttl_seconds } => {
                let asked = wire::LeaseGrantRequest {
                    ttl: i64::from(*ttl_seconds),
                    id: *lease as i64,
                };
                let granted: wire::LeaseGrantResponse =
                    self.call("/etcdserverpb.Lease/LeaseGrant", asked).await?;
                lease_of(*lease, granted.ttl)
            }
            StoreRequest::LeaseKeepAlive { lease } => {
                let asked = wire::LeaseKeepAliveRequest { id: *lease as i64 };
                let path = "/etcdserverpb.Lease/LeaseKeepAlive";
                let kept: wire::LeaseKeepAliveResponse =
                    grpc::first(self.channel(), path, asked).await?;
                lease_of(*lease, kept.ttl)
            }
            StoreRequest::LeaseRevoke { lease } => {
                let asked = wire::LeaseRevokeRequest { id: *lease as i64 };
                let revoked: wire::LeaseRevokeResponse =
                    self.call("/etcdserverpb.Lease/LeaseRevoke", asked).await?;
                done(&revoked.header)
            }
            StoreRequest::Compact { revision } => {
                let asked = wire::CompactionRequest {
                    revision: signed(*revision),
                };
                let compacted: wire::CompactionResponse =
                    self.call("/etcdserverpb.KV/Compact", asked).await?;
                done(&compacted.header)
            }
            StoreRequest::Progress => StoreResponse::Done {
                revision: self.newest().await?,
            },
            StoreRequest::Status => StoreResponse::Status(self.sizes().await?),
        })
    }

    async fn call<A, B>(&self, path: &'static str, request: A) -> Result<B, Status>
    where
        A: prost::Message + 'static,
        B: prost::Message + Default + 'static,
    {
        grpc::call(self.channel(), path, request).await
    }

    /// Reads a page; a smaller one if its values are too large together.
    async fn range(&self, asked: &RangeRequest) -> Result<RangeResponse<Bytes>, Failure> {
        let mut limit = match asked.limit {
            0 => PAGE,
            limit => limit.min(PAGE),
        };
        loop {
            let request = asked::range(&self.space, asked, limit);
            match self.call("/etcdserverpb.KV/Range", request).await {
                Ok(found) => return Ok(answered::range(&self.space, &self.limits, asked, found)?),
                Err(status) => match refusal(&status, &StoreRequest::Progress) {
                    Refusal::TooLarge if limit > 1 => limit = (limit / 4).max(1),
                    _ => return Err(status.into()),
                },
            }
        }
    }

    async fn transaction(
        &self,
        asked: &Transaction<Bytes>,
    ) -> Result<StoreResponse<Bytes>, Failure> {
        if let Some(error) = self.key_length(asked) {
            return Ok(StoreResponse::Failed(error));
        }
        let request = asked::transaction(&self.space, asked);
        let answer = self.call("/etcdserverpb.KV/Txn", request).await?;
        Ok(answered::transaction(
            &self.space,
            &self.limits,
            asked,
            answer,
        )?)
    }

    /// etcd takes keys of any length, and the prefix makes an empty one a key; messages of ours do not.
    fn key_length(&self, asked: &Transaction<Bytes>) -> Option<StoreError> {
        use model::messages::store::Operation;
        let limit = self.limits.key_bytes;
        let puts = asked.success.iter().chain(&asked.failure);
        let put = puts.filter_map(|operation| match operation {
            Operation::Put { key, .. } => Some(key),
            _ => None,
        });
        let mut keys = asked.compares.iter().map(|compare| &compare.key).chain(put);
        keys.find(|key| !(1..=limit).contains(&(key.len() as u64)))
            .map(|key| StoreError::KeyLength {
                length: key.len() as u64,
                limit,
            })
    }

    /// The newest revision, of which every acknowledged write has one no later.
    async fn newest(&self) -> Result<u64, Status> {
        let request = wire::RangeRequest {
            key: self.space.mark(),
            count_only: true,
            ..Default::default()
        };
        let found: wire::RangeResponse = self.call("/etcdserverpb.KV/Range", request).await?;
        Ok(revision(&found.header))
    }

    /// Writes the mark; its revision.
    pub(super) async fn mark(&self) -> Result<u64, Status> {
        let request = wire::PutRequest {
            key: self.space.mark(),
            ..Default::default()
        };
        let put: wire::PutResponse = self.call("/etcdserverpb.KV/Put", request).await?;
        Ok(revision(&put.header))
    }

    /// Deletes everything of ours, the mark too.
    ///
    /// # Errors
    /// If etcd does not say that it has.
    pub async fn remove_all(&self) -> Result<(), EtcdError> {
        let (key, range_end) = self.space.everything();
        let request = wire::DeleteRangeRequest {
            key,
            range_end,
            prev_kv: false,
        };
        let removed: Result<wire::DeleteRangeResponse, Status> =
            self.call("/etcdserverpb.KV/DeleteRange", request).await;
        removed.map(drop).map_err(|status| EtcdError::Unreached {
            member: self.member().0.clone(),
            reason: spoken(&status),
        })
    }

    async fn status(&self) -> Result<wire::StatusResponse, Status> {
        self.call("/etcdserverpb.Maintenance/Status", wire::StatusRequest {})
            .await
    }

    async fn sizes(&self) -> Result<StoreStatus, Failure> {
        let everything = RangeRequest {
            count_only: true,
            ..RangeRequest::now(KeyRange::prefix(""))
        };
        let counted = self.range(&everything).await?;
        let leases: wire::LeaseLeasesResponse = self
            .call(
                "/etcdserverpb.Lease/LeaseLeases",
                wire::LeaseLeasesRequest {},
            )
            .await?;
        Ok(StoreStatus {
            revision: counted.revision,
            keys: counted.count,
            live_bytes: unsigned(self.status().await?.db_size_in_use),
            leases: leases.leases.len() as u64,
            ..StoreStatus::default()
        })
    }

    /// What a request's failure means; where etcd's error leaves out a number it is asked for.
    async fn explain(
        &self,
        status: Status,
        request: &StoreRequest<Bytes>,
    ) -> Result<StoreResponse<Bytes>, CallError> {
        let asked_for = match request {
            StoreRequest::Range(range) => range.revision.unwrap_or(0),
            StoreRequest::Compact { revision } => *revision,
            _ => 0,
        };
        Ok(StoreResponse::Failed(match refusal(&status, request) {
            Refusal::Refused(error) => error,
            Refusal::Compacted => StoreError::Compacted {
                // The least that it can be.
                compacted: asked_for + 1,
            },
            Refusal::Future => StoreError::FutureRevision {
                revision: asked_for,
                newest: self.newest().await.unwrap_or(0),
            },
            Refusal::NoSpace => StoreError::NoSpace {
                bytes: self
                    .status()
                    .await
                    .map_or(0, |status| unsigned(status.db_size_in_use)),
            },
            Refusal::TooLarge => StoreError::Unavailable {
                reason: format!("etcd's answer is larger than {} bytes", grpc::MESSAGE_BYTES),
            },
            Refusal::Unanswered(error) => return Err(error),
        }))
    }
}

enum Failure {
    Status(Status),
    Foreign(Foreign),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Failure::Status(status)
    }
}

impl From<Foreign> for Failure {
    fn from(foreign: Foreign) -> Self {
        Failure::Foreign(foreign)
    }
}

/// A status for people: what is at the bottom of it.
pub(super) fn spoken(status: &Status) -> String {
    let mut last: Option<&dyn std::error::Error> = std::error::Error::source(status);
    let mut text = match status.message() {
        "" => status.code().to_string(),
        message => message.to_owned(),
    };
    while let Some(error) = last {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        last = error.source();
    }
    text
}

fn done(header: &Option<wire::ResponseHeader>) -> StoreResponse<Bytes> {
    StoreResponse::Done {
        revision: revision(header),
    }
}

/// etcd answers a keep-alive of no lease with no time to live.
fn lease_of(lease: u64, ttl: i64) -> StoreResponse<Bytes> {
    match u32::try_from(ttl) {
        Ok(ttl_seconds) if ttl_seconds > 0 => StoreResponse::Lease { lease, ttl_seconds },
        _ => StoreResponse::Failed(StoreError::LeaseNotFound { lease }),
    }
}
