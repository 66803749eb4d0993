//! `meta.k8s.io/v1` Table: the columns that `kubectl get` prints, kind by kind
//! (`pkg/printers/internalversion/printers.go`).

mod age;
mod core;
mod events;
mod node;
mod pod;
mod render;
mod workload;

use model::machine::Now;
use serde_json::Value;

pub use core::{CONFIG_MAPS, LEASES, NAMESPACES, SECRETS, SERVICE_ACCOUNTS};
pub use events::EVENTS;
pub use node::NODES;
pub use pod::PODS;
pub use render::{Include, head, partial, row};
pub use workload::REPLICA_SETS;

/// What a column is called, and what its cells are.
#[derive(Debug)]
pub struct Column {
    /// As in the heading.
    pub name: &'static str,
    /// `string` or `integer`.
    pub of: &'static str,
    /// `name` for the column of names; empty otherwise.
    pub format: &'static str,
    /// In words.
    pub description: &'static str,
    /// 0 for columns that are always shown, 1 for those of `-o wide`.
    pub priority: u8,
}

/// Why an object has no cells.
pub type CellsError = serde_json::Error;

/// The columns of a kind, and how its objects fill them.
#[derive(Debug)]
pub struct Columns {
    /// What the columns are.
    pub definitions: &'static [Column],
    /// The cells of an object, one for each column.
    pub cells: fn(&[u8], Now) -> Result<Vec<Value>, CellsError>,
}

const NAME: Column = Column {
    name: "Name",
    of: "string",
    format: "name",
    description: "Name must be unique within a namespace. Is required when creating resources, although some \
                  resources may allow a client to request the generation of an appropriate name automatically. Name \
                  is primarily intended for creation idempotence and configuration definition. Cannot be updated. \
                  More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
    priority: 0,
};

const AGE: Column = Column {
    name: "Age",
    of: "string",
    format: "",
    description: "CreationTimestamp is a timestamp representing the server time when this object was created. It is \
                  not guaranteed to be set in happens-before order across separate operations. Clients may not set \
                  this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. \
                  Read-only. Null for lists. More info: \
                  https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
    priority: 0,
};

const fn text(name: &'static str, priority: u8, description: &'static str) -> Column {
    Column {
        name,
        of: "string",
        format: "",
        description,
        priority,
    }
}

const fn number(name: &'static str, priority: u8, description: &'static str) -> Column {
    Column {
        name,
        of: "integer",
        format: "",
        description,
        priority,
    }
}

/// A text that is there, or `<none>`.
fn or_none(text: &str) -> Value {
    Value::from(if text.is_empty() { "<none>" } else { text })
}
