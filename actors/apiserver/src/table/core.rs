//! Kinds with a column or two beside name and age.

use model::machine::Now;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeMap;

use super::{AGE, CellsError, Columns, NAME, age, number, text};

/// Namespaces.
pub const NAMESPACES: Columns = Columns {
    definitions: &[NAME, text("Status", 0, "The status of the namespace"), AGE],
    cells: |body, now| {
        let view = read(body)?;
        Ok(cells(&view, now, [view.status.phase.clone().into()]))
    },
};

/// ConfigMaps.
pub const CONFIG_MAPS: Columns = Columns {
    definitions: &[
        NAME,
        number(
            "Data",
            0,
            "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'.",
        ),
        AGE,
    ],
    cells: |body, now| {
        let view = read(body)?;
        Ok(cells(
            &view,
            now,
            [(view.data.len() + view.binary_data.len()).into()],
        ))
    },
};

/// Secrets.
pub const SECRETS: Columns = Columns {
    definitions: &[
        NAME,
        text(
            "Type",
            0,
            "Used to facilitate programmatic handling of secret data.",
        ),
        number(
            "Data",
            0,
            "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'.",
        ),
        AGE,
    ],
    cells: |body, now| {
        let view = read(body)?;
        Ok(cells(
            &view,
            now,
            [view.kind_of_secret.clone().into(), view.data.len().into()],
        ))
    },
};

/// ServiceAccounts.
pub const SERVICE_ACCOUNTS: Columns = Columns {
    definitions: &[
        NAME,
        number(
            "Secrets",
            0,
            "Secrets is a list of the secrets in the same namespace that pods running using this ServiceAccount are allowed to use.",
        ),
        AGE,
    ],
    cells: |body, now| {
        let view = read(body)?;
        Ok(cells(&view, now, [view.secrets.len().into()]))
    },
};

/// Leases.
pub const LEASES: Columns = Columns {
    definitions: &[
        NAME,
        text(
            "Holder",
            0,
            "holderIdentity contains the identity of the holder of a current lease.",
        ),
        AGE,
    ],
    cells: |body, now| {
        let view = read(body)?;
        Ok(cells(
            &view,
            now,
            [view.spec.holder_identity.clone().into()],
        ))
    },
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct View {
    metadata: Metadata,
    spec: Spec,
    status: Status,
    #[serde(rename = "type")]
    kind_of_secret: String,
    data: BTreeMap<String, IgnoredAny>,
    binary_data: BTreeMap<String, IgnoredAny>,
    secrets: Vec<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) creation_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    holder_identity: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: String,
}

fn read(body: &[u8]) -> Result<View, CellsError> {
    serde_json::from_slice(body)
}

/// Name, the kind's own cells, age.
fn cells<const N: usize>(view: &View, now: Now, own: [Value; N]) -> Vec<Value> {
    let mut cells = vec![view.metadata.name.clone().into()];
    cells.extend(own);
    cells.push(age::since(view.metadata.creation_timestamp.as_deref(), now).into());
    cells
}
