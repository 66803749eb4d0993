//! Objects as these tests have them: metadata, a number that was asked for, a node.

use model::machines::transaction::{Context, Strategy};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::{Reason, Status};
use model::rules::object_meta::SystemMeta;

/// An object, stored or taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Thing {
    pub meta: SystemMeta,
    pub spec: i64,
    pub node: String,
    pub phase: String,
    /// A namespace's `spec.finalizers`.
    pub held: bool,
    /// What it takes in the store, in bytes.
    pub size: u64,
}

/// What a client asks for.
#[expect(
    clippy::large_enum_variant,
    reason = "a few of them live at a time, in tests"
)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// This object.
    Whole(Thing),
    /// So much more.
    Add(i64),
    /// Without this finalizer.
    Release(String),
    /// No longer held.
    LetGo,
}

#[derive(Clone, Copy, Debug)]
pub struct Things;

impl Strategy for Things {
    type Value = Thing;
    type Change = Change;
    type Draft = Thing;

    fn decode(&self, _: &ObjectKey, value: &Thing, revision: u64) -> Result<Thing, Status> {
        let mut draft = value.clone();
        draft.meta.resource_version = revision.to_string();
        Ok(draft)
    }

    fn encode(&self, _: &ObjectKey, draft: &Thing) -> Result<Thing, Status> {
        let mut value = draft.clone();
        value.meta.resource_version.clear();
        Ok(value)
    }

    fn size(&self, value: &Thing) -> u64 {
        value.size
    }

    fn meta(&self, draft: &Thing) -> Result<SystemMeta, Status> {
        Ok(draft.meta.clone())
    }

    fn set_meta(&self, draft: &mut Thing, meta: &SystemMeta) {
        draft.meta.clone_from(meta);
    }

    fn create(&self, context: Context<'_>, change: &Change) -> Result<Thing, Status> {
        let Change::Whole(thing) = change else {
            return Err(Status::new(Reason::BadRequest, "a create has an object"));
        };
        let mut draft = thing.clone();
        draft.held = context.key.resource == kinds::namespaces();
        Ok(draft)
    }

    fn update(&self, _: Context<'_>, current: &Thing, change: &Change) -> Result<Thing, Status> {
        let mut draft = current.clone();
        match change {
            Change::Whole(thing) => {
                draft.clone_from(thing);
                draft.node.clone_from(&current.node);
                draft.held = current.held;
            }
            Change::Add(more) => draft.spec += more,
            Change::Release(finalizer) => draft.meta.finalizers.retain(|one| one != finalizer),
            Change::LetGo => draft.held = false,
        }
        Ok(draft)
    }

    fn validate(
        &self,
        context: Context<'_>,
        draft: &Thing,
        _: Option<&Thing>,
    ) -> Result<(), Status> {
        if draft.spec < 0 {
            return Err(Status::about(
                Reason::Invalid,
                context.key,
                "less than nothing",
            ));
        }
        Ok(())
    }

    fn counts_generations(&self, key: &ObjectKey) -> bool {
        key.resource == kinds::pods()
    }

    fn spec_changed(&self, _: &ObjectKey, old: &Thing, new: &Thing) -> bool {
        old.spec != new.spec
    }

    fn creates_on_update(&self, key: &ObjectKey) -> bool {
        key.resource == kinds::leases()
    }

    fn updates_unconditionally(&self, key: &ObjectKey) -> bool {
        key.resource != kinds::leases()
    }

    fn grace_seconds(&self, key: &ObjectKey, current: &Thing, asked: Option<i64>) -> Option<i64> {
        let graceful = key.resource == kinds::pods();
        graceful.then(|| {
            if current.node.is_empty() {
                0
            } else {
                asked.unwrap_or(30)
            }
        })
    }

    fn is_held(&self, _: &ObjectKey, draft: &Thing) -> bool {
        draft.held
    }

    fn begin_deletion(&self, _: &ObjectKey, draft: &mut Thing) {
        "Terminating".clone_into(&mut draft.phase);
    }

    fn bound_node(&self, draft: &Thing) -> Option<String> {
        (!draft.node.is_empty()).then(|| draft.node.clone())
    }

    fn bind(&self, _: Context<'_>, draft: &mut Thing, node: &str) {
        node.clone_into(&mut draft.node);
    }
}

impl Thing {
    /// In a line: what is not empty.
    pub fn line(&self) -> String {
        let meta = &self.meta;
        let mut line = format!("{} spec={}", meta.name, self.spec);
        let parts = [
            ("uid", meta.uid.clone()),
            ("generation", meta.generation.to_string()),
            (
                "created",
                meta.creation_timestamp.clone().unwrap_or_default(),
            ),
            (
                "deleted",
                meta.deletion_timestamp.clone().unwrap_or_default(),
            ),
            (
                "grace",
                meta.deletion_grace_period_seconds
                    .map(|n| n.to_string())
                    .unwrap_or_default(),
            ),
            ("finalizers", meta.finalizers.join(",")),
            ("node", self.node.clone()),
            ("phase", self.phase.clone()),
        ];
        for (name, text) in parts {
            if !text.is_empty() && text != "0" || name == "grace" && text == "0" {
                line.push_str(&format!(" {name}={text}"));
            }
        }
        line
    }
}
