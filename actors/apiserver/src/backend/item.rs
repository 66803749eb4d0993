//! An object as the cache holds and serves it.

use std::sync::Arc;

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Decode, Encode};
use model::machines::watch_cache::{Cached, Key};
use model::objects::bytes::Bytes;
use model::objects::fields;
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;
use model::objects::status::{Reason, Status};
use model::rules::selector::{FieldSelector, Selector};

use super::index::Index;
use super::splice;

/// An object with `metadata.resourceVersion` in its body. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item(Arc<Inner>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Inner {
    path: Key,
    revision: u64,
    body: Bytes,
    index: Index,
}

impl Item {
    /// An object as the store has it under a key, written at a revision.
    pub(super) fn stored(path: Key, revision: u64, stored: &[u8]) -> Self {
        let index = Index::read(row(&path), stored);
        let body = splice::stamped(stored, revision);
        Item(Arc::new(Inner {
            path,
            revision,
            body,
            index,
        }))
    }

    /// What names it.
    pub fn key(&self) -> Option<ObjectKey> {
        ObjectKey::parse(&self.0.path)
    }

    /// The revision of its last write; for a deleted object that of the deletion.
    pub fn revision(&self) -> u64 {
        self.0.revision
    }

    /// The whole object as JSON. Every list and watch serves these same bytes.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    fn field(&self, which: Which) -> &str {
        match which {
            Which::Name => self.0.path.rsplit('/').next().unwrap_or(""),
            // `/registry/GROUP/RESOURCE/NAMESPACE/NAME`, cut at the slashes.
            Which::Namespace => match self.0.path.split('/').collect::<Vec<_>>().as_slice() {
                [_, _, _, _, namespace, _] => namespace,
                _ => "",
            },
            Which::At(position) => self.0.index.field(position),
        }
    }
}

/// In records of inputs: what is read from the body is read again.
impl Encode for Item {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let Inner {
            path,
            revision,
            body,
            index: _,
        } = &*self.0;
        (path, revision, body).encode(encoder)
    }
}

impl<C> Decode<C> for Item {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (path, revision, body): (Key, u64, Bytes) = Decode::decode(decoder)?;
        let index = Index::read(row(&path), &body);
        Ok(Item(Arc::new(Inner {
            path,
            revision,
            body,
            index,
        })))
    }
}

impl<'de, C> BorrowDecode<'de, C> for Item {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

/// The row of fields for a store key.
fn row(path: &str) -> &'static fields::Fields {
    let mut parts = path.split('/').skip(2);
    let group = match parts.next() {
        Some("core") | None => "",
        Some(group) => group,
    };
    fields::of(group, parts.next().unwrap_or(""))
}

/// What a list or watch of one resource selects by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Filter {
    labels: Selector,
    fields: Vec<Test>,
    /// The one value of the field by which watches are grouped.
    group: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
struct Test {
    which: Which,
    value: Box<str>,
    differs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
enum Which {
    Name,
    Namespace,
    At(usize),
}

impl Filter {
    /// The filter of these selectors.
    ///
    /// # Errors
    /// 400 for a field that the resource does not let be selected.
    pub(super) fn new(
        resource: &GroupResource,
        labels: Selector,
        selector: &FieldSelector,
    ) -> Result<Self, Status> {
        let row = fields::of(&resource.group, &resource.resource);
        let namespaced = kinds::find(resource).is_none_or(|kind| kind.namespaced);
        let mut filter = Filter {
            labels,
            ..Filter::default()
        };
        for one in &selector.requirements {
            let which = match one.field.as_str() {
                "metadata.name" => Which::Name,
                "metadata.namespace" if namespaced => Which::Namespace,
                name => Which::At(row.position(name).ok_or_else(|| {
                    let why = fields::unsupported(resource, namespaced, name);
                    Status::new(Reason::BadRequest, why)
                })?),
            };
            if let Which::At(position) = which
                && row.grouped == Some(position)
                && !one.differs
            {
                filter.group = Some(one.value.as_str().into());
            }
            filter.fields.push(Test {
                which,
                value: one.value.as_str().into(),
                differs: one.differs,
            });
        }
        Ok(filter)
    }
}

impl Cached for Item {
    type Filter = Filter;

    fn matches(&self, filter: &Filter) -> bool {
        let fields = filter
            .fields
            .iter()
            .all(|test| (self.field(test.which) == &*test.value) != test.differs);
        fields && filter.labels.matches(&self.0.index)
    }

    fn group(&self) -> &str {
        match row(&self.0.path).grouped {
            Some(position) => self.0.index.field(position),
            None => "",
        }
    }

    fn group_of(filter: &Filter) -> Option<&str> {
        filter.group.as_deref()
    }

    fn is_everything(filter: &Filter) -> bool {
        filter.labels.is_everything() && filter.fields.is_empty()
    }

    fn restamped(&self, revision: u64) -> Self {
        Item(Arc::new(Inner {
            path: self.0.path.clone(),
            revision,
            body: splice::restamped(&self.0.body, revision),
            index: self.0.index.clone(),
        }))
    }

    fn size(&self) -> usize {
        self.0.body.len() + self.0.index.size() + std::mem::size_of::<Inner>()
    }
}
