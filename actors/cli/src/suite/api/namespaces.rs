//! Namespaces: what they hold, and their end.

use serde_json::json;

use super::client::{Api, Found};
use super::{Check, check};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Reference,
        a_namespace_is_active_and_labelled,
        "a namespace is Active and carries its name as a label"
    ),
    check!(
        Reference,
        a_namespace_has_its_account,
        "every namespace has the service account default"
    ),
    check!(
        Reference,
        nothing_is_made_outside_a_namespace,
        "a create in a namespace that is not there is 404 NotFound"
    ),
    check!(
        Concepts,
        all_namespaces_can_be_listed,
        "a list over all namespaces has what a namespace has"
    ),
];

async fn a_namespace_is_active_and_labelled(api: &mut Api) -> Found {
    let name = api.namespace.clone();
    let read = api.get(&format!("/api/v1/namespaces/{name}")).await?;
    api.status(&read, 200)?;
    api.field(&read, "/status/phase", &json!("Active"))?;
    api.field(
        &read,
        "/metadata/labels/kubernetes.io~1metadata.name",
        &json!(name),
    )
}

async fn a_namespace_has_its_account(api: &mut Api) -> Found {
    let read = api.get(&api.path("serviceaccounts/default")).await?;
    api.status(&read, 200)
}

async fn nothing_is_made_outside_a_namespace(api: &mut Api) -> Found {
    let map = json!({"metadata": {"name": "outside"}});
    let absent = format!("/api/v1/namespaces/{}-absent/configmaps", api.namespace);
    let refused = api.post(&absent, &map).await?;
    api.refused(&refused, 404, "NotFound")?;
    api.field(&refused, "/details/kind", &json!("namespaces"))?;
    let list = api.get(&absent).await?;
    api.status(&list, 200)?;
    let names = list.names();
    api.hold(names.is_empty(), || {
        format!("a namespace that is not there has {names:?}")
    })
}

async fn all_namespaces_can_be_listed(api: &mut Api) -> Found {
    api.config_map("anywhere").await?;
    let list = api
        .get("/api/v1/configmaps?fieldSelector=metadata.name%3Danywhere")
        .await?;
    api.status(&list, 200)?;
    let own = api.namespace.clone();
    let items = list.at("/items").as_array().cloned().unwrap_or_default();
    let found = items
        .iter()
        .any(|item| item["metadata"]["namespace"] == own.as_str());
    api.hold(found, || {
        format!("{own}/anywhere is not among {} items", items.len())
    })
}
