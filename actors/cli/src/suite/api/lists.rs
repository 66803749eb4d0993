//! Lists: pages, selectors, other forms.

use http::Method;
use serde_json::{Value, json};

use super::client::{Answer, Api, Found, JSON, Wrong};
use super::{Check, check};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Concepts,
        a_list_has_its_kind_and_version,
        "a list is of its List kind and has a resourceVersion"
    ),
    check!(
        Concepts,
        a_limit_makes_pages,
        "limit gives pages, continue the rest, nothing twice and nothing missing"
    ),
    check!(
        Concepts,
        pages_are_of_one_moment,
        "what is written between two pages is not in the second"
    ),
    check!(
        Concepts,
        a_broken_continue_is_400,
        "a continue token that the server did not make is 400 BadRequest"
    ),
    check!(
        Objects,
        label_selectors_select,
        "=, !=, in, notin, exists and not exists"
    ),
    check!(
        Objects,
        a_broken_label_selector_is_400,
        "a label selector that cannot be read is 400 BadRequest"
    ),
    check!(
        Objects,
        field_selectors_select,
        "metadata.name and metadata.namespace"
    ),
    check!(
        Objects,
        a_field_that_cannot_be_selected_is_400,
        "a field selector of another field is 400 BadRequest"
    ),
    check!(
        Concepts,
        a_table_has_columns_and_rows,
        "Accept with as=Table gives columns and a row for each object"
    ),
    check!(
        Concepts,
        metadata_alone_can_be_asked_for,
        "Accept with as=PartialObjectMetadataList gives no data"
    ),
    check!(
        Concepts,
        an_unknown_form_is_406,
        "Accept of what the server cannot give is 406 NotAcceptable"
    ),
];

/// Makes config maps with labels.
async fn labelled(api: &mut Api, made: &[(&str, Value)]) -> Found {
    let maps = api.path("configmaps");
    for (name, labels) in made {
        let map = json!({"metadata": {"name": name, "labels": labels}, "data": {"key": "value"}});
        let made = api.post(&maps, &map).await?;
        api.hold(matches!(made.status, 201 | 409), || made.told())?;
    }
    Ok(())
}

async fn a_list_has_its_kind_and_version(api: &mut Api) -> Found {
    let list = api.get(&api.path("configmaps")).await?;
    api.status(&list, 200)?;
    api.field(&list, "/kind", &json!("ConfigMapList"))?;
    api.field(&list, "/apiVersion", &json!("v1"))?;
    let version = list.text("/metadata/resourceVersion").to_owned();
    api.hold(!version.is_empty(), || {
        "it has no resourceVersion".to_owned()
    })?;
    api.hold(list.at("/items").is_array(), || {
        "it has no items".to_owned()
    })
}

/// Seven secrets, of which pages are made, and the query of their first page.
async fn pages(api: &mut Api) -> Result<String, Wrong> {
    let secrets = api.path("secrets");
    for number in 0..7 {
        let secret = json!({"metadata": {"name": format!("page-{number}")}});
        let made = api.post(&secrets, &secret).await?;
        api.hold(matches!(made.status, 201 | 409), || made.told())?;
    }
    Ok(format!("{secrets}?limit=3"))
}

async fn next(api: &mut Api, first: &str, page: &Answer) -> Result<Option<Answer>, Wrong> {
    let token = page.text("/metadata/continue").to_owned();
    if token.is_empty() {
        return Ok(None);
    }
    let page = api
        .get(&format!("{first}&continue={}", encoded(&token)))
        .await?;
    api.status(&page, 200)?;
    Ok(Some(page))
}

/// Percent-encoded, as a query takes it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

async fn a_limit_makes_pages(api: &mut Api) -> Found {
    let first = pages(api).await?;
    let mut page = api.get(&first).await?;
    api.status(&page, 200)?;
    let (version, mut names) = (
        page.text("/metadata/resourceVersion").to_owned(),
        page.names(),
    );
    api.hold(names.len() == 3, || format!("a page of 3 has {names:?}"))?;
    while let Some(following) = next(api, &first, &page).await? {
        api.field(&following, "/metadata/resourceVersion", &json!(version))?;
        names.extend(following.names());
        page = following;
        api.hold(names.len() < 1000, || "the pages never end".to_owned())?;
    }
    let whole = api.get(&api.path("secrets")).await?.names();
    api.hold(names == whole && names.len() >= 7, || {
        format!("the pages have {names:?}, the whole {whole:?}")
    })
}

async fn pages_are_of_one_moment(api: &mut Api) -> Found {
    let first = pages(api).await?;
    let page = api.get(&first).await?;
    let late = json!({"metadata": {"name": "page-99-late"}});
    let made = api.post(&api.path("secrets"), &late).await?;
    api.status(&made, 201)?;
    let (mut page, mut names) = (page, Vec::new());
    while let Some(following) = next(api, &first, &page).await? {
        names.extend(following.names());
        page = following;
    }
    let came = names.iter().any(|name| name == "page-99-late");
    api.hold(!came && !names.is_empty(), || {
        format!("the pages that follow have {names:?}")
    })
}

async fn a_broken_continue_is_400(api: &mut Api) -> Found {
    let path = format!("{}?limit=1&continue=nonsense", api.path("secrets"));
    let page = api.get(&path).await?;
    api.refused(&page, 400, "BadRequest")
}

async fn label_selectors_select(api: &mut Api) -> Found {
    labelled(
        api,
        &[
            ("l-1", json!({"suite": "l", "tier": "front"})),
            ("l-2", json!({"suite": "l", "tier": "back"})),
            ("l-3", json!({"suite": "l"})),
        ],
    )
    .await?;
    let cases: [(&str, &[&str]); 8] = [
        ("tier=front", &["l-1"]),
        ("tier==back", &["l-2"]),
        ("tier!=front", &["l-2", "l-3"]),
        ("tier in (front,back)", &["l-1", "l-2"]),
        ("tier notin (front)", &["l-2", "l-3"]),
        ("tier", &["l-1", "l-2"]),
        ("!tier", &["l-3"]),
        ("tier=none", &[]),
    ];
    for (selector, expected) in cases {
        let query = encoded(&format!("suite=l,{selector}"));
        let path = format!("{}?labelSelector={query}", api.path("configmaps"));
        let names = api.get(&path).await?.names();
        api.hold(names == expected, || {
            format!("{selector} selects {names:?}, expected {expected:?}")
        })?;
    }
    Ok(())
}

async fn a_broken_label_selector_is_400(api: &mut Api) -> Found {
    let path = format!("{}?labelSelector=a%3D%3D%3Db", api.path("configmaps"));
    let list = api.get(&path).await?;
    api.refused(&list, 400, "BadRequest")
}

async fn field_selectors_select(api: &mut Api) -> Found {
    labelled(api, &[("f-1", json!({})), ("f-2", json!({}))]).await?;
    let named = format!("metadata.name=f-1,metadata.namespace={}", api.namespace);
    let path = format!(
        "{}?fieldSelector={}",
        api.path("configmaps"),
        encoded(&named)
    );
    let names = api.get(&path).await?.names();
    api.hold(names == ["f-1"], || {
        format!("metadata.name=f-1 selects {names:?}")
    })?;
    let path = format!(
        "{}?fieldSelector=metadata.name%21%3Df-1",
        api.path("configmaps")
    );
    let names = api.get(&path).await?.names();
    let right = names.iter().any(|name| name == "f-2") && names.iter().all(|name| name != "f-1");
    api.hold(right, || format!("metadata.name!=f-1 selects {names:?}"))
}

async fn a_field_that_cannot_be_selected_is_400(api: &mut Api) -> Found {
    let path = format!("{}?fieldSelector=data.key%3Dvalue", api.path("configmaps"));
    let list = api.get(&path).await?;
    api.refused(&list, 400, "BadRequest")
}

/// Asks for a list in another form.
async fn in_form(api: &mut Api, accept: &str) -> Result<Answer, Wrong> {
    labelled(
        api,
        &[
            ("t-1", json!({"suite": "t"})),
            ("t-2", json!({"suite": "t"})),
        ],
    )
    .await?;
    let path = format!("{}?labelSelector=suite%3Dt", api.path("configmaps"));
    Ok(api.send(Method::GET, &path, None, accept).await?)
}

async fn a_table_has_columns_and_rows(api: &mut Api) -> Found {
    let table = in_form(api, "application/json;as=Table;g=meta.k8s.io;v=v1").await?;
    api.status(&table, 200)?;
    api.field(&table, "/kind", &json!("Table"))?;
    api.field(&table, "/apiVersion", &json!("meta.k8s.io/v1"))?;
    api.field(&table, "/columnDefinitions/0/name", &json!("Name"))?;
    let columns = table
        .at("/columnDefinitions")
        .as_array()
        .map_or(0, Vec::len);
    let rows = table.at("/rows").as_array().cloned().unwrap_or_default();
    let cells = |row: &Value| row["cells"].as_array().map_or(0, Vec::len);
    let right = rows.len() == 2 && rows.iter().all(|row| cells(row) == columns);
    api.hold(right, || format!("{columns} columns, and rows {rows:?}"))?;
    api.field(&table, "/rows/0/cells/0", &json!("t-1"))?;
    api.field(
        &table,
        "/rows/0/object/kind",
        &json!("PartialObjectMetadata"),
    )
}

async fn metadata_alone_can_be_asked_for(api: &mut Api) -> Found {
    let form = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = in_form(api, form).await?;
    api.status(&list, 200)?;
    api.field(&list, "/kind", &json!("PartialObjectMetadataList"))?;
    api.field(&list, "/items/0/metadata/name", &json!("t-1"))?;
    api.field(&list, "/items/0/data", &Value::Null)
}

async fn an_unknown_form_is_406(api: &mut Api) -> Found {
    let list = in_form(api, "application/x-plimsoll").await?;
    api.refused(&list, 406, "NotAcceptable")?;
    let both = in_form(api, &format!("application/x-plimsoll, {JSON}")).await?;
    api.status(&both, 200)
}
