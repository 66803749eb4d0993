//! Objects from their creation to their end: what the server answers, what it fills in.

use serde_json::{Value, json};

use super::client::{Api, Found};
use super::{Check, check};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Concepts,
        a_create_answers_the_object,
        "201 and the object as it is stored"
    ),
    check!(
        Conventions,
        the_server_fills_in_metadata,
        "uid, resourceVersion and creationTimestamp are the server's"
    ),
    check!(
        Concepts,
        a_read_gives_what_was_stored,
        "GET gives what the create answered"
    ),
    check!(
        Conventions,
        a_name_is_taken_once,
        "a second create of a name is 409 AlreadyExists"
    ),
    check!(
        Conventions,
        what_is_not_there_is_404,
        "404 NotFound, with the name and the resource"
    ),
    check!(
        Concepts,
        a_replace_keeps_the_identity,
        "PUT keeps uid and creationTimestamp, and gives a newer resourceVersion"
    ),
    check!(
        Conventions,
        a_replace_of_nothing_is_404,
        "PUT of a config map that is not there does not make it"
    ),
    check!(
        Concepts,
        a_deleted_object_is_gone,
        "after DELETE a GET is 404"
    ),
    check!(
        Conventions,
        a_name_used_again_is_another_object,
        "an object of a name used before has another uid"
    ),
    check!(
        Conventions,
        generate_name_makes_names,
        "generateName gives names with that prefix, each its own"
    ),
    check!(
        Conventions,
        metadata_holds_any_annotation,
        "labels and annotations come back as they were sent"
    ),
    check!(
        Reference,
        secrets_take_plain_text,
        "stringData is written into data, and not given back"
    ),
    check!(
        Reference,
        leases_keep_microseconds,
        "a MicroTime comes back with its six digits"
    ),
    check!(
        Apply,
        writers_are_remembered,
        "managedFields names the manager of a write"
    ),
];

async fn a_create_answers_the_object(api: &mut Api) -> Found {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "created"}, "data": {"a": "1"}, "binaryData": {"b": "AAEC"}});
    let path = api.path("configmaps");
    let made = api.post(&path, &map).await?;
    api.status(&made, 201)?;
    for pointer in [
        "/apiVersion",
        "/kind",
        "/metadata/name",
        "/data",
        "/binaryData",
    ] {
        let sent = map.pointer(pointer).unwrap_or(&Value::Null);
        api.field(&made, pointer, sent)?;
    }
    let namespace = api.namespace.clone();
    api.field(&made, "/metadata/namespace", &json!(namespace))
}

async fn the_server_fills_in_metadata(api: &mut Api) -> Found {
    let own = "00000000-0000-4000-8000-000000000000";
    let map = json!({"metadata": {"name": "filled", "uid": own,
        "creationTimestamp": "2001-01-01T00:00:00Z"}});
    let path = api.path("configmaps");
    let made = api.post(&path, &map).await?;
    api.status(&made, 201)?;
    let uid = made.text("/metadata/uid").to_owned();
    api.hold(!uid.is_empty() && uid != own, || format!("uid is {uid:?}"))?;
    let since = made.text("/metadata/creationTimestamp").to_owned();
    let time = since.parse::<jiff::Timestamp>();
    let recent = time.is_ok_and(|time| time.as_second() > 1_000_000_000);
    api.hold(recent && !since.starts_with("2001"), || {
        format!("creationTimestamp is {since:?}")
    })?;
    let revision = made.text("/metadata/resourceVersion").to_owned();
    api.hold(!revision.is_empty(), || {
        "there is no resourceVersion".to_owned()
    })
}

async fn a_read_gives_what_was_stored(api: &mut Api) -> Found {
    let (path, made) = api.config_map("read").await?;
    let read = api.get(&path).await?;
    api.status(&read, 200)?;
    api.hold(read.body == made, || {
        format!("{} is not what the create answered: {made}", read.body)
    })
}

async fn a_name_is_taken_once(api: &mut Api) -> Found {
    api.config_map("taken").await?;
    let (maps, again) = (
        api.path("configmaps"),
        json!({"metadata": {"name": "taken"}}),
    );
    let again = api.post(&maps, &again).await?;
    api.refused(&again, 409, "AlreadyExists")
}

async fn what_is_not_there_is_404(api: &mut Api) -> Found {
    let path = api.path("configmaps/absent");
    let read = api.get(&path).await?;
    api.refused(&read, 404, "NotFound")?;
    api.field(&read, "/details/name", &json!("absent"))?;
    api.field(&read, "/details/kind", &json!("configmaps"))?;
    let deleted = api.delete(&path, &Value::Null).await?;
    api.refused(&deleted, 404, "NotFound")
}

async fn a_replace_keeps_the_identity(api: &mut Api) -> Found {
    let (path, made) = api.config_map("replaced").await?;
    let other = json!({"metadata": {"name": "replaced"}, "data": {"key": "other"}});
    let put = api.put(&path, &other).await?;
    api.status(&put, 200)?;
    api.field(&put, "/data", &json!({"key": "other"}))?;
    for pointer in ["/metadata/uid", "/metadata/creationTimestamp"] {
        let was = made.pointer(pointer).unwrap_or(&Value::Null);
        api.field(&put, pointer, was)?;
    }
    let was = made["metadata"]["resourceVersion"].as_str();
    let was = was.and_then(|text| text.parse::<u64>().ok());
    let is = put.text("/metadata/resourceVersion").parse::<u64>().ok();
    api.hold(was.is_some() && is > was, || {
        format!("resourceVersion was {was:?} and is {is:?}")
    })
}

async fn a_replace_of_nothing_is_404(api: &mut Api) -> Found {
    let path = api.path("configmaps/nothing");
    let put = api
        .put(&path, &json!({"metadata": {"name": "nothing"}}))
        .await?;
    api.refused(&put, 404, "NotFound")
}

async fn a_deleted_object_is_gone(api: &mut Api) -> Found {
    let (path, _) = api.config_map("deleted").await?;
    let deleted = api.delete(&path, &Value::Null).await?;
    api.status(&deleted, 200)?;
    let read = api.get(&path).await?;
    api.refused(&read, 404, "NotFound")
}

async fn a_name_used_again_is_another_object(api: &mut Api) -> Found {
    let (path, first) = api.config_map("again").await?;
    let deleted = api.delete(&path, &Value::Null).await?;
    api.status(&deleted, 200)?;
    let (_, second) = api.config_map("again").await?;
    let (first, second) = (&first["metadata"]["uid"], &second["metadata"]["uid"]);
    api.hold(first != second, || format!("both have uid {first}"))
}

async fn generate_name_makes_names(api: &mut Api) -> Found {
    let path = api.path("configmaps");
    let map = json!({"metadata": {"generateName": "made-"}});
    let mut names = Vec::new();
    for _ in 0..2 {
        let made = api.post(&path, &map).await?;
        api.status(&made, 201)?;
        api.field(&made, "/metadata/generateName", &json!("made-"))?;
        names.push(made.text("/metadata/name").to_owned());
    }
    let prefixed = names
        .iter()
        .all(|name| name.len() > 5 && name.starts_with("made-"));
    api.hold(prefixed && names[0] != names[1], || {
        format!("the names are {names:?}")
    })
}

async fn metadata_holds_any_annotation(api: &mut Api) -> Found {
    let note = "any text: \u{00e9} \u{1f6a2} \"quoted\"\n\tlines\u{2028}";
    let metadata = json!({"name": "noted", "labels": {"example.com/role": "A_b.c-1", "empty": ""},
        "annotations": {"example.com/note": note, "large": "x".repeat(100_000)}});
    let path = api.path("configmaps");
    let made = api.post(&path, &json!({"metadata": metadata})).await?;
    api.status(&made, 201)?;
    let read = api.get(&format!("{path}/noted")).await?;
    api.field(&read, "/metadata/labels", &metadata["labels"])?;
    let same = read.at("/metadata/annotations") == &metadata["annotations"];
    api.hold(same, || "the annotations came back otherwise".to_owned())
}

async fn secrets_take_plain_text(api: &mut Api) -> Found {
    let secret = json!({"metadata": {"name": "secret"}, "stringData": {"word": "hush"}});
    let path = api.path("secrets");
    let made = api.post(&path, &secret).await?;
    api.status(&made, 201)?;
    api.field(&made, "/data", &json!({"word": "aHVzaA=="}))?;
    api.field(&made, "/stringData", &Value::Null)?;
    api.field(&made, "/type", &json!("Opaque"))
}

async fn leases_keep_microseconds(api: &mut Api) -> Found {
    let path = format!(
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
        api.namespace
    );
    let spec = json!({"holderIdentity": "plimsoll", "leaseDurationSeconds": 15,
        "renewTime": "2020-02-03T04:05:06.000070Z"});
    let made = api
        .post(&path, &json!({"metadata": {"name": "lease"}, "spec": spec}))
        .await?;
    api.status(&made, 201)?;
    let read = api.get(&format!("{path}/lease")).await?;
    api.field(&read, "/spec", &spec)
}

async fn writers_are_remembered(api: &mut Api) -> Found {
    let path = format!("{}?fieldManager=plimsoll-suite", api.path("configmaps"));
    let map = json!({"metadata": {"name": "remembered"}, "data": {"key": "value"}});
    let made = api.post(&path, &map).await?;
    api.status(&made, 201)?;
    api.field(
        &made,
        "/metadata/managedFields/0/manager",
        &json!("plimsoll-suite"),
    )?;
    api.field(
        &made,
        "/metadata/managedFields/0/operation",
        &json!("Update"),
    )?;
    let data = json!({".": {}, "f:key": {}});
    api.field(&made, "/metadata/managedFields/0/fieldsV1/f:data", &data)
}
