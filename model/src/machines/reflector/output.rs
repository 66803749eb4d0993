//! What a reflector asks for and hands out.

use bincode::{Decode, Encode};

use crate::machines::reflector::input::Item;
use crate::objects::bytes::Bytes;
use crate::objects::key::ObjectKey;
use crate::objects::object::Object;

/// A change to the receiver's copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Delivery<V> {
    /// These are all objects there are; what is not among them is gone.
    Replace {
        /// The revision at which that is so.
        revision: u64,
        /// The objects.
        items: Vec<Item<V>>,
    },
    /// This object came or changed.
    Apply(Item<V>),
    /// This object went; with its last state and the revision of the deletion.
    Delete(Item<V>),
}

impl Delivery<Bytes> {
    /// The same with views instead of bodies. A body that does not parse is reported, and its object treated as
    /// absent: left out of a replacement, deleted where it came or changed. `absent` is the view that such a
    /// deletion carries.
    pub fn view<V, E>(
        &self,
        mut read: impl FnMut(&Object) -> Result<V, E>,
        absent: impl Fn() -> V,
        mut report: impl FnMut(&ObjectKey, E),
    ) -> Delivery<V> {
        let mut item = |item: &Item<Bytes>| {
            let (key, revision, body) = (item.key.clone(), item.revision, item.value.clone());
            let object = Object {
                key,
                revision,
                body,
            };
            let view = read(&object)
                .map_err(|error| report(&object.key, error))
                .ok();
            (
                Object {
                    body: Bytes::default(),
                    ..object
                },
                view,
            )
        };
        let with = |object: Object, value: V| Item {
            key: object.key,
            revision: object.revision,
            value,
        };
        match self {
            Delivery::Replace { revision, items } => Delivery::Replace {
                revision: *revision,
                items: items
                    .iter()
                    .filter_map(|it| {
                        let (object, view) = item(it);
                        view.map(|view| with(object, view))
                    })
                    .collect(),
            },
            Delivery::Apply(it) => match item(it) {
                (object, Some(view)) => Delivery::Apply(with(object, view)),
                (object, None) => Delivery::Delete(with(object, absent())),
            },
            Delivery::Delete(it) => {
                let (object, view) = item(it);
                Delivery::Delete(with(object, view.unwrap_or_else(absent)))
            }
        }
    }
}

/// What a reflector wants of the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output<V> {
    /// List everything, consistently. Answered by `Listed` or `ListFailed`.
    List,
    /// Watch everything after this revision. Answered by `Events`, `Bookmark` and at last `WatchEnded`.
    Watch {
        /// That revision.
        after: u64,
    },
    /// Hand this to the receiver, in this order.
    Deliver(Delivery<V>),
}
