//! What can happen to a controller.

use bincode::{Decode, Encode};

use crate::machines::controller::reconcile::Reconcile;
use crate::machines::reflector::Delivery;
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::object::Object;
use crate::objects::status::Status;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Answer {
    /// Done, at this revision, with the objects that the answer carries.
    Done(u64, Vec<Object>),
    /// Refused by the API server.
    Failed(Status),
    /// The connection broke: done or not, nobody knows.
    Lost,
}

/// What can happen to a controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[bincode(
    encode_bounds = "R: Reconcile, R::Seen: Encode",
    decode_context = "()",
    decode_bounds = "R: Reconcile, R::Seen: Decode<()>",
    borrow_decode_bounds = "R: Reconcile, R::Seen: ::bincode::BorrowDecode<'__de, ()>"
)]
pub enum Input<R: Reconcile> {
    /// A resource changed, as the reflector tells it.
    Seen(GroupResource, Delivery<R::Seen>),
    /// A request was answered: the key it was for, its place in the batch, what became of it.
    Answered(ObjectKey, u32, Answer),
    /// Go on with the keys that a step left over.
    More,
    /// A key's wait is over.
    Due(ObjectKey),
    /// A key has waited for five minutes to see what it caused.
    Expired(ObjectKey),
}
