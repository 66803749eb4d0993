//! What the server does not take, and how it says so.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::client::{Api, Found, JSON, MERGE, Wrong};
use super::{Check, check};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Conventions,
        a_body_that_is_no_json_is_400,
        "a body that cannot be read is 400 BadRequest"
    ),
    check!(
        Conventions,
        a_body_of_another_kind_is_400,
        "an object of another kind is 400 BadRequest"
    ),
    check!(
        Conventions,
        a_body_of_another_type_is_415,
        "a body of an unknown media type is 415 UnsupportedMediaType"
    ),
    check!(
        Conventions,
        another_name_than_the_path_is_400,
        "PUT of an object under another name is 400 BadRequest"
    ),
    check!(
        Conventions,
        another_namespace_than_the_path_is_400,
        "an object of another namespace is 400 BadRequest"
    ),
    check!(
        Objects,
        names_have_a_syntax,
        "a name that is none is 422 Invalid, and the cause names the field"
    ),
    check!(
        Objects,
        a_name_is_needed,
        "neither name nor generateName is 422 Invalid"
    ),
    check!(
        Objects,
        labels_have_a_syntax,
        "a label that is none is 422 Invalid, and the cause names the field"
    ),
    check!(
        Concepts,
        unknown_fields_are_told,
        "fieldValidation: Strict refuses an unknown field, Warn warns, Ignore drops it"
    ),
    check!(
        Concepts,
        doubled_fields_are_told,
        "fieldValidation: Strict refuses a field that comes twice"
    ),
    check!(
        Reference,
        immutable_maps_do_not_change,
        "an immutable config map takes no other data: 422 Invalid"
    ),
    check!(
        Reference,
        secrets_are_base64,
        "data of a secret that is not base64 is 400 BadRequest"
    ),
    check!(
        Reference,
        a_secret_keeps_its_type,
        "the type of a secret cannot be changed: 422 Invalid"
    ),
];

async fn post_text(
    api: &mut Api,
    media: &str,
    text: &'static str,
    query: &str,
) -> Result<super::client::Answer, Wrong> {
    let path = format!("{}{query}", api.path("configmaps"));
    let body = Some((media, Bytes::from_static(text.as_bytes())));
    Ok(api.send(Method::POST, &path, body, JSON).await?)
}

async fn a_body_that_is_no_json_is_400(api: &mut Api) -> Found {
    for text in ["{", "\"text\"", "{\"metadata\": {\"name\": 7}}"] {
        let refused = post_text(api, JSON, text, "").await?;
        api.refused(&refused, 400, "BadRequest")?;
    }
    Ok(())
}

async fn a_body_of_another_kind_is_400(api: &mut Api) -> Found {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kind"}});
    let refused = api.post(&api.path("configmaps"), &secret).await?;
    api.refused(&refused, 400, "BadRequest")
}

async fn a_body_of_another_type_is_415(api: &mut Api) -> Found {
    let refused = post_text(api, "application/x-plimsoll", "{}", "").await?;
    api.refused(&refused, 415, "UnsupportedMediaType")
}

async fn another_name_than_the_path_is_400(api: &mut Api) -> Found {
    let (path, _) = api.config_map("this-name").await?;
    let refused = api
        .put(&path, &json!({"metadata": {"name": "another-name"}}))
        .await?;
    api.refused(&refused, 400, "BadRequest")
}

async fn another_namespace_than_the_path_is_400(api: &mut Api) -> Found {
    let map = json!({"metadata": {"name": "elsewhere", "namespace": "elsewhere"}});
    let refused = api.post(&api.path("configmaps"), &map).await?;
    api.refused(&refused, 400, "BadRequest")
}

/// 422, and a cause that names the field.
async fn invalid(api: &mut Api, object: &Value, field: &str) -> Found {
    let refused = api.post(&api.path("configmaps"), object).await?;
    api.refused(&refused, 422, "Invalid")?;
    let causes = refused
        .at("/details/causes")
        .as_array()
        .cloned()
        .unwrap_or_default();
    let names = |cause: &Value| {
        cause["field"]
            .as_str()
            .is_some_and(|one| one.starts_with(field))
    };
    let named = causes.iter().any(names);
    api.hold(named, || format!("no cause names {field}: {causes:?}"))
}

async fn names_have_a_syntax(api: &mut Api) -> Found {
    let long = "x".repeat(254);
    for name in [
        "Upper",
        "under_score",
        "-dash",
        "dot.",
        "a b",
        long.as_str(),
    ] {
        invalid(api, &json!({"metadata": {"name": name}}), "metadata.name").await?;
    }
    Ok(())
}

async fn a_name_is_needed(api: &mut Api) -> Found {
    invalid(api, &json!({"metadata": {}}), "metadata.name").await
}

async fn labels_have_a_syntax(api: &mut Api) -> Found {
    let (long, key) = ("x".repeat(64), "x".repeat(64));
    for labels in [
        json!({"a": long}),
        json!({"a": "b c"}),
        json!({key: "b"}),
        json!({"a/b/c": ""}),
    ] {
        let metadata = json!({"name": "labelled", "labels": labels});
        invalid(api, &json!({"metadata": metadata}), "metadata.labels").await?;
    }
    Ok(())
}

async fn unknown_fields_are_told(api: &mut Api) -> Found {
    const TEXT: &str = r#"{"metadata": {"generateName": "unknown-"}, "bogus": true}"#;
    let refused = post_text(api, JSON, TEXT, "?fieldValidation=Strict").await?;
    api.refused(&refused, 400, "BadRequest")?;
    let named = refused.text("/message").contains("bogus");
    api.hold(named, || {
        format!("{} does not name the field", refused.told())
    })?;
    for (query, warns) in [
        ("?fieldValidation=Warn", true),
        ("", true),
        ("?fieldValidation=Ignore", false),
    ] {
        let made = post_text(api, JSON, TEXT, query).await?;
        api.status(&made, 201)?;
        api.field(&made, "/bogus", &Value::Null)?;
        let warnings = made.warnings;
        api.hold((warnings > 0) == warns, || {
            format!("{query:?}: {warnings} warnings")
        })?;
    }
    Ok(())
}

async fn doubled_fields_are_told(api: &mut Api) -> Found {
    const TEXT: &str =
        r#"{"metadata": {"generateName": "doubled-"}, "data": {"a": "1"}, "data": {"a": "2"}}"#;
    let refused = post_text(api, JSON, TEXT, "?fieldValidation=Strict").await?;
    api.refused(&refused, 400, "BadRequest")
}

async fn immutable_maps_do_not_change(api: &mut Api) -> Found {
    let maps = api.path("configmaps");
    let map = json!({"metadata": {"name": "immutable"}, "data": {"a": "1"}, "immutable": true});
    let made = api.post(&maps, &map).await?;
    api.status(&made, 201)?;
    let path = format!("{maps}/immutable");
    for patch in [json!({"data": {"a": "2"}}), json!({"immutable": false})] {
        let refused = api.patch(&path, MERGE, &patch).await?;
        api.refused(&refused, 422, "Invalid")?;
    }
    let patched = api
        .patch(&path, MERGE, &json!({"metadata": {"labels": {"a": "b"}}}))
        .await?;
    api.status(&patched, 200)
}

async fn secrets_are_base64(api: &mut Api) -> Found {
    let secret = json!({"metadata": {"name": "not-base64"}, "data": {"word": "hush!"}});
    let refused = api.post(&api.path("secrets"), &secret).await?;
    api.refused(&refused, 400, "BadRequest")
}

async fn a_secret_keeps_its_type(api: &mut Api) -> Found {
    let secrets = api.path("secrets");
    let secret = json!({"metadata": {"name": "typed"}, "type": "example.com/one"});
    let made = api.post(&secrets, &secret).await?;
    api.status(&made, 201)?;
    let patch = json!({"type": "example.com/two"});
    let refused = api
        .patch(&format!("{secrets}/typed"), MERGE, &patch)
        .await?;
    api.refused(&refused, 422, "Invalid")
}
