//! Values beside the header: each message with its values taken out, and put back.

use bincode::{Decode, Encode};

use super::{
    Compare, Event, KeyValue, Operand, Operation, OperationResult, RangeResponse, StoreRequest,
    StoreResponse, Transaction, WatchFrame,
};
use crate::objects::bytes::Bytes;

/// Stands in a header for a value, which is the next `length` bytes of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Segment {
    /// Length of the value in bytes.
    pub length: u32,
}

/// Why a header and a body do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// The header announces more than the body holds.
    #[error("a header announces a value of {length} bytes where {left} bytes of the body are left")]
    TooShort {
        /// Length of the value.
        length: u32,
        /// What was left of the body.
        left: usize,
    },
    /// The body holds more than the header announces.
    #[error("{left} bytes of the body are left over")]
    TooLong {
        /// How many.
        left: usize,
    },
    /// A value longer than a segment can announce (4 GiB).
    #[error("a value of {length} bytes is too long to send")]
    Unsendable {
        /// Length of the value.
        length: usize,
    },
}

/// A message that carries values, on its way to or from the wire.
pub trait Wire: Sized {
    /// The same message with a [`Segment`] in place of each value.
    type Header: Encode + Decode<()>;

    /// Takes the values out: the header, and the body that follows it.
    ///
    /// # Errors
    /// [`SegmentError::Unsendable`] for a value of 4 GiB or more.
    fn split(self) -> Result<(Self::Header, Vec<u8>), SegmentError>;

    /// Puts the values back.
    ///
    /// # Errors
    /// [`SegmentError`] if the body's length is not what the header announces.
    fn join(header: Self::Header, body: &[u8]) -> Result<Self, SegmentError>;
}

macro_rules! wire {
    ($($message:ident)*) => {$(
        impl Wire for $message<Bytes> {
            type Header = $message<Segment>;

            fn split(self) -> Result<(Self::Header, Vec<u8>), SegmentError> {
                let mut body = Vec::new();
                let header = self.map(&mut |value: Bytes| {
                    let length = value.len();
                    body.extend_from_slice(&value);
                    u32::try_from(length)
                        .map(|length| Segment { length })
                        .map_err(|_| SegmentError::Unsendable { length })
                })?;
                Ok((header, body))
            }

            fn join(header: Self::Header, body: &[u8]) -> Result<Self, SegmentError> {
                let mut rest = body;
                let message = header.map(&mut |Segment { length }| {
                    let (value, tail) = rest
                        .split_at_checked(length as usize)
                        .ok_or(SegmentError::TooShort { length, left: rest.len() })?;
                    rest = tail;
                    Ok(Bytes::from(value))
                })?;
                match rest.len() {
                    0 => Ok(message),
                    left => Err(SegmentError::TooLong { left }),
                }
            }
        }
    )*};
}

wire!(StoreRequest StoreResponse WatchFrame);

type Mapped<T> = Result<T, SegmentError>;

impl<V> StoreRequest<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<StoreRequest<W>> {
        Ok(match self {
            StoreRequest::Range(range) => StoreRequest::Range(range),
            StoreRequest::Transaction(transaction) => {
                StoreRequest::Transaction(transaction.map(f)?)
            }
            StoreRequest::LeaseGrant { lease, ttl_seconds } => {
                StoreRequest::LeaseGrant { lease, ttl_seconds }
            }
            StoreRequest::LeaseKeepAlive { lease } => StoreRequest::LeaseKeepAlive { lease },
            StoreRequest::LeaseRevoke { lease } => StoreRequest::LeaseRevoke { lease },
            StoreRequest::Compact { revision } => StoreRequest::Compact { revision },
            StoreRequest::Progress => StoreRequest::Progress,
            StoreRequest::Status => StoreRequest::Status,
        })
    }
}

impl<V> Transaction<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<Transaction<W>> {
        Ok(Transaction {
            compares: each(self.compares, |compare| compare.map(f))?,
            success: each(self.success, |operation| operation.map(f))?,
            failure: each(self.failure, |operation| operation.map(f))?,
        })
    }
}

impl<V> Compare<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<Compare<W>> {
        let operand = match self.operand {
            Operand::CreateRevision(revision) => Operand::CreateRevision(revision),
            Operand::ModRevision(revision) => Operand::ModRevision(revision),
            Operand::Version(version) => Operand::Version(version),
            Operand::Lease(lease) => Operand::Lease(lease),
            Operand::Value(value) => Operand::Value(f(value)?),
        };
        Ok(Compare {
            key: self.key,
            operand,
            relation: self.relation,
        })
    }
}

impl<V> Operation<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<Operation<W>> {
        Ok(match self {
            Operation::Put { key, value, lease } => Operation::Put {
                key,
                value: f(value)?,
                lease,
            },
            Operation::Delete { range, previous } => Operation::Delete { range, previous },
            Operation::Range(range) => Operation::Range(range),
        })
    }
}

impl<V> StoreResponse<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<StoreResponse<W>> {
        Ok(match self {
            StoreResponse::Range(range) => StoreResponse::Range(range.map(f)?),
            StoreResponse::Transaction {
                revision,
                succeeded,
                results,
            } => StoreResponse::Transaction {
                revision,
                succeeded,
                results: each(results, |result| result.map(f))?,
            },
            StoreResponse::Lease { lease, ttl_seconds } => {
                StoreResponse::Lease { lease, ttl_seconds }
            }
            StoreResponse::Done { revision } => StoreResponse::Done { revision },
            StoreResponse::Status(status) => StoreResponse::Status(status),
            StoreResponse::Failed(error) => StoreResponse::Failed(error),
        })
    }
}

impl<V> RangeResponse<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<RangeResponse<W>> {
        Ok(RangeResponse {
            revision: self.revision,
            items: each(self.items, |item| item.map(f))?,
            more: self.more,
            count: self.count,
        })
    }
}

impl<V> OperationResult<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<OperationResult<W>> {
        Ok(match self {
            OperationResult::Put => OperationResult::Put,
            OperationResult::Deleted { count, previous } => OperationResult::Deleted {
                count,
                previous: each(previous, |item| item.map(f))?,
            },
            OperationResult::Range(range) => OperationResult::Range(range.map(f)?),
        })
    }
}

impl<V> KeyValue<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<KeyValue<W>> {
        Ok(KeyValue {
            key: self.key,
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
            lease: self.lease,
            value: self.value.map(f).transpose()?,
        })
    }
}

impl<V> WatchFrame<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<WatchFrame<W>> {
        Ok(match self {
            WatchFrame::Started { after } => WatchFrame::Started { after },
            WatchFrame::Events { revision, events } => WatchFrame::Events {
                revision,
                events: each(events, |event| event.map(f))?,
            },
            WatchFrame::Progress { revision } => WatchFrame::Progress { revision },
            WatchFrame::Cancelled(error) => WatchFrame::Cancelled(error),
        })
    }
}

impl<V> Event<V> {
    fn map<W>(self, f: &mut impl FnMut(V) -> Mapped<W>) -> Mapped<Event<W>> {
        Ok(match self {
            Event::Put { now, previous } => Event::Put {
                now: now.map(f)?,
                previous: previous.map(|item| item.map(f)).transpose()?,
            },
            Event::Deleted {
                key,
                revision,
                previous,
            } => Event::Deleted {
                key,
                revision,
                previous: previous.map(|item| item.map(f)).transpose()?,
            },
        })
    }
}

fn each<A, B>(list: Vec<A>, f: impl FnMut(A) -> Mapped<B>) -> Mapped<Vec<B>> {
    list.into_iter().map(f).collect()
}
