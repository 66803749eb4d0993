//! What the server says that it serves, and how it is.

use http::Method;
use serde_json::{Value, json};

use super::client::{Api, Found, JSON};
use super::{Check, check};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Concepts,
        the_core_group_is_discovered,
        "/api and /api/v1 tell of the core group's resources"
    ),
    check!(
        Concepts,
        groups_are_discovered,
        "/apis tells of every group, its versions and the preferred one"
    ),
    check!(
        Concepts,
        discovery_is_aggregated,
        "/apis as APIGroupDiscoveryList tells all of them at once"
    ),
    check!(
        Concepts,
        openapi_is_served,
        "/openapi/v3 tells where the document of each group is"
    ),
    check!(
        Concepts,
        the_version_is_told,
        "/version tells gitVersion, major and minor"
    ),
    check!(Health, health_is_told, "/livez and /readyz are 200"),
    check!(
        Conventions,
        what_is_not_served_is_404,
        "an unknown group, resource or subresource is 404"
    ),
    check!(
        Conventions,
        a_method_that_is_not_served_is_405,
        "POST to an object is 405"
    ),
];

async fn the_core_group_is_discovered(api: &mut Api) -> Found {
    let versions = api.get("/api").await?;
    api.status(&versions, 200)?;
    api.field(&versions, "/kind", &json!("APIVersions"))?;
    api.field(&versions, "/versions/0", &json!("v1"))?;
    let resources = api.get("/api/v1").await?;
    api.field(&resources, "/kind", &json!("APIResourceList"))?;
    api.field(&resources, "/groupVersion", &json!("v1"))?;
    let all = resources
        .at("/resources")
        .as_array()
        .cloned()
        .unwrap_or_default();
    for (name, kind, namespaced) in [
        ("configmaps", "ConfigMap", true),
        ("pods", "Pod", true),
        ("pods/status", "Pod", true),
        ("namespaces", "Namespace", false),
        ("nodes", "Node", false),
    ] {
        let found = all.iter().find(|resource| resource["name"] == name);
        let right = found.is_some_and(|one| one["kind"] == kind && one["namespaced"] == namespaced);
        api.hold(right, || format!("{name} is told as {found:?}"))?;
    }
    let maps = all.iter().find(|resource| resource["name"] == "configmaps");
    let verbs = maps
        .and_then(|maps| maps["verbs"].as_array())
        .cloned()
        .unwrap_or_default();
    for verb in [
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ] {
        api.hold(verbs.contains(&json!(verb)), || {
            format!("the verbs of configmaps are {verbs:?}")
        })?;
    }
    Ok(())
}

async fn groups_are_discovered(api: &mut Api) -> Found {
    let groups = api.get("/apis").await?;
    api.status(&groups, 200)?;
    api.field(&groups, "/kind", &json!("APIGroupList"))?;
    let groups = groups.at("/groups").as_array().cloned().unwrap_or_default();
    for group in &groups {
        let versions = group["versions"].as_array().cloned().unwrap_or_default();
        let preferred = &group["preferredVersion"];
        api.hold(versions.contains(preferred), || {
            format!("{}: {preferred} is none of its versions", group["name"])
        })?;
    }
    let leases = groups
        .iter()
        .any(|group| group["name"] == "coordination.k8s.io");
    api.hold(leases, || "the group of leases is not told of".to_owned())?;
    let resources = api.get("/apis/coordination.k8s.io/v1").await?;
    api.field(
        &resources,
        "/groupVersion",
        &json!("coordination.k8s.io/v1"),
    )
}

async fn discovery_is_aggregated(api: &mut Api) -> Found {
    let form =
        format!("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,{JSON}");
    let all = api.send(Method::GET, "/apis", None, &form).await?;
    api.status(&all, 200)?;
    api.field(&all, "/kind", &json!("APIGroupDiscoveryList"))?;
    let groups = all.at("/items").as_array().cloned().unwrap_or_default();
    let leases = groups
        .iter()
        .any(|group| group["metadata"]["name"] == "coordination.k8s.io");
    api.hold(leases, || "the group of leases is not told of".to_owned())
}

async fn openapi_is_served(api: &mut Api) -> Found {
    let paths = api.get("/openapi/v3").await?;
    api.status(&paths, 200)?;
    let core = paths.text("/paths/api~1v1/serverRelativeURL").to_owned();
    api.hold(!core.is_empty(), || {
        format!("no document of api/v1: {}", paths.told())
    })?;
    let document = api.get(&core).await?;
    api.status(&document, 200)?;
    let told = document.text("/openapi").starts_with("3.");
    api.hold(told, || format!("openapi is {}", document.at("/openapi")))?;
    let maps = document.at("/components/schemas/io.k8s.api.core.v1.ConfigMap") != &Value::Null;
    api.hold(maps, || "it has no schema of config maps".to_owned())
}

async fn the_version_is_told(api: &mut Api) -> Found {
    let version = api.get("/version").await?;
    api.status(&version, 200)?;
    let major = version.text("/major").to_owned();
    let right = version
        .text("/gitVersion")
        .starts_with(&format!("v{major}."));
    api.hold(right && !version.text("/minor").is_empty(), || {
        version.told()
    })
}

async fn health_is_told(api: &mut Api) -> Found {
    for path in ["/livez", "/readyz"] {
        let health = api.get(path).await?;
        api.status(&health, 200)?;
    }
    Ok(())
}

async fn what_is_not_served_is_404(api: &mut Api) -> Found {
    let (map, _) = api.config_map("served").await?;
    let no_resource = api.path("nosuchthings");
    for path in [
        "/apis/nosuch.example.com/v1/things",
        &no_resource,
        &format!("{map}/status"),
        "/nosuch",
    ] {
        let answer = api.get(path).await?;
        api.status(&answer, 404)?;
    }
    Ok(())
}

async fn a_method_that_is_not_served_is_405(api: &mut Api) -> Found {
    let (map, _) = api.config_map("unserved").await?;
    let answer = api
        .post(&map, &json!({"metadata": {"name": "unserved"}}))
        .await?;
    api.status(&answer, 405)
}
