//! What the API server knows of each kind beside its name: schema, defaults, rules, columns.
//!
//! A new kind is a row here and one in [`model::objects::kinds`], plus its rules.

use std::sync::{LazyLock, OnceLock};

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Pod, Secret, ServiceAccount};
use model::objects::key::GroupResource;
use model::objects::kinds::{KINDS, Kind};
use model::rules::validation::{self, Rule};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::defaults::{self, Fields};
use crate::schema::{self, Tree};
use crate::table::{self, Columns};

/// A kind, and what the API server knows of it.
#[derive(Debug)]
pub struct Row {
    /// How it is named, and what can be done with it.
    pub kind: &'static Kind,
    /// Its schema, defaults, rules and columns.
    pub rules: &'static Rules,
    tree: OnceLock<Tree>,
}

/// What is the kind's own.
#[derive(Debug)]
pub struct Rules {
    group: &'static str,
    plural: &'static str,
    /// Name and generator of the full schema, for publication.
    pub publish: fn(&mut SchemaGenerator) -> Schema,
    compile: fn() -> Tree,
    /// Fills in what a client left out.
    pub default: fn(&mut Fields),
    /// Gives a new object what only the system may give, and takes away what a client may not.
    pub admit: fn(&mut Fields),
    /// Whether it is valid.
    pub validate: Rule,
    /// How `kubectl get` prints it.
    pub columns: &'static Columns,
    /// How writes go.
    pub writes: Writes,
}

/// How writes of a kind go, where kinds differ.
#[derive(Clone, Copy, Debug)]
pub struct Writes {
    /// `metadata.generation` counts the changes of `spec`.
    pub generations: bool,
    /// The object itself is written without touching its `status`.
    pub status_apart: bool,
    /// An update of an absent object creates it.
    pub creates_on_update: bool,
}

/// A kind that is data alone.
const PLAIN: Writes = Writes {
    generations: false,
    status_apart: false,
    creates_on_update: false,
};
/// A kind whose `status` is written by itself.
const OBSERVED: Writes = Writes {
    status_apart: true,
    ..PLAIN
};
/// A kind whose `status` says of which generation of `spec` it is.
const COUNTED: Writes = Writes {
    generations: true,
    ..OBSERVED
};
/// A kind that its users put without looking whether it is there.
const PUT: Writes = Writes {
    creates_on_update: true,
    ..PLAIN
};

macro_rules! rules {
    ($($group:literal $plural:literal $type:ty, $default:path, $admit:path, $validate:path, $columns:path, $writes:ident;)*) => {
        const RULES: &[Rules] = &[$(Rules {
            group: $group,
            plural: $plural,
            publish: publish::<$type>,
            compile: schema::compile::<$type>,
            default: $default,
            admit: $admit,
            validate: $validate,
            columns: &$columns,
            writes: $writes,
        }),*];
    };
}

rules! {
//  group                 plural            type            default                admit                      validate                     columns                  writes
    ""                    "configmaps"      ConfigMap,      defaults::none,        defaults::none,            validation::config_map,      table::CONFIG_MAPS,      PLAIN;
    ""                    "events"          Event,          defaults::none,        defaults::none,            validation::event,           table::EVENTS,           PUT;
    ""                    "namespaces"      Namespace,      defaults::namespace,   defaults::admit_namespace, validation::namespace,       table::NAMESPACES,       OBSERVED;
    ""                    "nodes"           Node,           defaults::node,        defaults::none,            validation::node,            table::NODES,            OBSERVED;
    ""                    "pods"            Pod,            defaults::pod,         defaults::admit_pod,       validation::pod,             table::PODS,             COUNTED;
    ""                    "secrets"         Secret,         defaults::secret,      defaults::none,            validation::secret,          table::SECRETS,          PLAIN;
    ""                    "serviceaccounts" ServiceAccount, defaults::none,        defaults::none,            validation::service_account, table::SERVICE_ACCOUNTS, PLAIN;
    "apps"                "replicasets"     ReplicaSet,     defaults::replica_set, defaults::admit_replica_set, validation::replica_set,   table::REPLICA_SETS,     COUNTED;
    "coordination.k8s.io" "leases"          Lease,          defaults::none,        defaults::none,            validation::lease,           table::LEASES,           PUT;
}

fn publish<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Row {
    /// The schema that bodies are held against; compiled when it is first asked for.
    pub fn tree(&self) -> &Tree {
        self.tree.get_or_init(self.rules.compile)
    }
}

/// Every kind that is served, in the order of the model's table.
pub fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let pairs = KINDS.iter().filter_map(|kind| {
            let own = |rules: &&Rules| rules.group == kind.group && rules.plural == kind.plural;
            Some((kind, RULES.iter().find(own)?))
        });
        pairs
            .map(|(kind, rules)| Row {
                kind,
                rules,
                tree: OnceLock::new(),
            })
            .collect()
    });
    &ROWS
}

/// The row of a resource.
pub fn find(group: &str, plural: &str) -> Option<&'static Row> {
    rows()
        .iter()
        .find(|row| row.kind.group == group && row.kind.plural == plural)
}

/// The row of a resource.
pub fn of(resource: &GroupResource) -> Option<&'static Row> {
    find(&resource.group, &resource.resource)
}
