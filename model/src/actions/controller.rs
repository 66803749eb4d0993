//! What a controller does, in the words of the reconcile specifications.

use bincode::{Decode, Encode};

use crate::messages::api::ApiRequest;
use crate::objects::key::{GroupResource, ObjectKey};
use crate::objects::status::Reason;

/// One thing that a controller did.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ControllerAction {
    /// It saw a resource as it was at `revision`.
    Saw {
        /// Which resource.
        resource: GroupResource,
        /// At which revision.
        revision: u64,
    },
    /// It began to reconcile an object.
    Began(ObjectKey),
    /// It asked the API server for something, for an object.
    Asked {
        /// For which object.
        key: ObjectKey,
        /// For what.
        request: Box<ApiRequest>,
    },
    /// An answer came.
    Answered {
        /// For which object.
        key: ObjectKey,
        /// Which request of the batch it answers, counted from 0.
        index: u32,
        /// `Ok`: the revision of the write. `Err`: why not, `None` if the connection broke.
        result: Result<u64, Option<Reason>>,
    },
    /// The object is as it should be, as far as this controller sees.
    Finished(ObjectKey),
    /// It did not work; it comes again after so many milliseconds.
    Failed {
        /// Which object.
        key: ObjectKey,
        /// Why.
        why: String,
        /// When it comes again.
        again_ms: u64,
    },
    /// Nothing more can be done for now; it comes again after so many milliseconds.
    Waits {
        /// Which object.
        key: ObjectKey,
        /// When it comes again.
        again_ms: u64,
    },
    /// What the controller had caused was not seen within five minutes: it stops waiting for it.
    Expired(ObjectKey),
}
