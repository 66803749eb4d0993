//! create, update, patch, delete, deletecollection, and the binding of pods.

use std::sync::Arc;

use model::machine::Now;
use model::machines::transaction::{Context, Outcome, Strategy, Write, WriteVerb, Written};
use model::messages::api::{DeleteOptions, PatchType};
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds::Subresource;
use model::objects::status::{Reason, Status};
use model::rules::authorization::Identity;
use model::rules::resource_version::ReadAt;
use serde_json::Value;

use super::read::selection;
use super::{Accepted, Api, ListQuery, accept, body};
use crate::backend::{Item, ListFrom, ListRequest};
use crate::http::path::Place;
use crate::strategy::{Change, FieldValidation, Kinds};

/// Objects that are read at a time while a collection is deleted.
const DELETED_AT_A_TIME: u64 = 500;

/// A write that was carried out, and what its client is told.
#[derive(Debug)]
pub struct Done {
    /// What became of it.
    pub written: Written<Item>,
    /// Fields of the body that were dropped.
    pub warnings: Vec<String>,
}

/// Options of a write.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Decide and answer, but do not write.
    pub dry_run: bool,
    /// What becomes of fields that the schema does not know.
    pub validation: FieldValidation,
}

impl Api {
    /// A new object, or a pod's binding.
    ///
    /// # Errors
    /// What authorization, schema, admission, validation and the store say.
    pub async fn create(
        &self,
        who: &Identity,
        place: &Place,
        body: &[u8],
        options: WriteOptions,
    ) -> Result<Done, Status> {
        // Whoever may not create anything here is not told what is wrong with the body.
        if who.node_name().is_none() {
            self.authorize(who, "create", place, &place.name, "")
                .await?;
        }
        let Accepted { object, warnings } = accept(place, body, options.validation)?;
        if who.node_name().is_some() {
            let named = object["metadata"]["name"].as_str().unwrap_or_default();
            let name = if place.name.is_empty() {
                named
            } else {
                &place.name
            };
            self.authorize(who, "create", place, name, "").await?;
        }
        let (key, verb) = if place.subresource == Some(Subresource::Binding) {
            (place.key(), WriteVerb::Bind(body::binding(&object)?))
        } else {
            self.admit_new(place, &object).await?;
            let change = Change::Whole(Arc::new(object));
            nameless(&place.key(), &change)?;
            (place.key(), WriteVerb::Create(change))
        };
        self.write(key, verb, options, warnings).await
    }

    /// An object, or a part of it, replaced.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub async fn update(
        &self,
        who: &Identity,
        place: &Place,
        body: &[u8],
        options: WriteOptions,
    ) -> Result<Done, Status> {
        self.authorize(who, "update", place, &place.name, "")
            .await?;
        let Accepted { object, warnings } = accept(place, body, options.validation)?;
        let verb = WriteVerb::Update(place.subresource, Change::Whole(Arc::new(object)));
        self.write(place.key(), verb, options, warnings).await
    }

    /// An object, or a part of it, changed.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub async fn patch(
        &self,
        who: &Identity,
        place: &Place,
        patch: PatchType,
        body: &[u8],
        options: WriteOptions,
    ) -> Result<Done, Status> {
        self.authorize(who, "patch", place, &place.name, "").await?;
        let change = Change::Patch {
            patch,
            body: Bytes::from(body),
            validation: options.validation,
        };
        // Told of the object as it is at hand: the write itself may meet a later one, and knows no warnings.
        let current = match options.validation {
            FieldValidation::Warn => self.backend.get(&place.key(), ReadAt::Any).await.ok(),
            FieldValidation::Ignore | FieldValidation::Strict => None,
        };
        let warnings = current.map(|item| change.warnings(place, &parsed(&item)));
        let verb = WriteVerb::Patch(place.subresource, change);
        self.write(place.key(), verb, options, warnings.unwrap_or_default())
            .await
    }

    /// An object deleted.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub async fn delete(
        &self,
        who: &Identity,
        place: &Place,
        options: DeleteOptions,
    ) -> Result<Written<Item>, Status> {
        self.authorize(who, "delete", place, &place.name, "")
            .await?;
        let write = Write {
            key: place.key(),
            dry_run: options.dry_run,
            verb: WriteVerb::Delete(options),
        };
        self.backend.write(write).await
    }

    /// Every object of a selection deleted, one after another; answers with those that were there. An object
    /// that goes meanwhile is not missed.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub async fn delete_collection(
        &self,
        who: &Identity,
        place: &Place,
        query: &ListQuery,
        options: &DeleteOptions,
    ) -> Result<Vec<Item>, Status> {
        self.authorize(who, "deletecollection", place, "", &query.fields)
            .await?;
        let mut request = ListRequest {
            selection: selection(place, &query.labels, &query.fields)?,
            at: Default::default(),
            limit: DELETED_AT_A_TIME,
            from: ListFrom::Start,
        };
        let mut deleted = Vec::new();
        loop {
            let list = self.backend.list(request.clone()).await?;
            for item in list.items {
                let Some(key) = item.key() else { continue };
                let write = Write {
                    key,
                    verb: WriteVerb::Delete(options.clone()),
                    dry_run: options.dry_run,
                };
                match self.backend.write(write).await {
                    Ok(_) => deleted.push(item),
                    Err(status) if status.reason == Reason::NotFound => {}
                    Err(status) => return Err(status),
                }
            }
            if list.continue_token.is_empty() {
                return Ok(deleted);
            }
            request.from = ListFrom::Token(list.continue_token);
        }
    }

    async fn write(
        &self,
        key: ObjectKey,
        verb: WriteVerb<Change>,
        options: WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Done, Status> {
        let write = Write {
            key,
            verb,
            dry_run: options.dry_run,
        };
        let written = self.backend.write(write).await?;
        Ok(Done { written, warnings })
    }
}

/// All that is wrong with a new object that has no name, nor gets one. The transaction machine asks for a name before
/// it asks for anything else, and would tell of that alone.
///
/// # Errors
/// 422 with every fault.
fn nameless(key: &ObjectKey, change: &Change) -> Result<(), Status> {
    let Change::Whole(object) = change else {
        return Ok(());
    };
    let unset = |name: &str| {
        object["metadata"][name]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    };
    if !unset("name") || !unset("generateName") {
        return Ok(());
    }
    let context = Context {
        key,
        subresource: None,
        now: Now::default(),
    };
    let draft = Kinds.create(context, change)?;
    Kinds.validate(context, &draft, None)
}

/// Whether a write has made an object: 201, as against 200.
pub fn created(outcome: Outcome) -> bool {
    outcome == Outcome::Created
}

/// The body of a written object as JSON.
pub fn parsed(item: &Item) -> Value {
    serde_json::from_slice(item.body()).unwrap_or_default()
}
