//! The API where kubectl's script does not go: bodies in YAML, warnings of patches, lists in parts over QUIC.

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::header::{CONTENT_TYPE, WARNING};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use model::messages::api::{
    ApiRequest, ApiResponse, ItemHead, ListOptions, ListPlace, Verb, split_items,
};
use model::objects::kinds;
use model::objects::status::Reason;
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use transport::pki::{Authority, Validity};
use transport::{Connection, Endpoint, Environment, Identity};

use crate::cluster::{Cluster, PATIENCE};
use crate::hostile::listens_at;
use crate::kube_rs::{block_on, client};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn bodies_and_parts() {
    let cluster = Cluster::start(&[]);
    block_on(async {
        let client = client(&cluster).await?;
        yaml_is_read(&client).await.context("YAML")?;
        patches_are_warned_of(&client).await.context("warnings")?;
        components_list_in_parts(&cluster).await.context("parts")?;
        informers_see_all(&cluster, &client)
            .await
            .context("informers")
    });
    cluster.stop();
}

/// Sends a body of a type; status code, the texts of warnings, and the answer.
async fn send(
    client: &Client,
    method: &str,
    path: &str,
    media: &str,
    body: &str,
) -> anyhow::Result<(u16, Vec<String>, Value)> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, media)
        .body(body.as_bytes().to_vec().into())?;
    let response = client.send(request).await?;
    let code = response.status().as_u16();
    let warnings = response.headers().get_all(WARNING).iter();
    let warnings = warnings
        .map(|value| value.to_str().map(str::to_owned))
        .collect::<Result<_, _>>()?;
    let body = kube::client::Body::collect_bytes(response.into_body()).await?;
    Ok((code, warnings, serde_json::from_slice(&body)?))
}

async fn yaml_is_read(client: &Client) -> anyhow::Result<()> {
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: written\ndata:\n  a: \"1\"\n";
    let (code, _, map) = send(client, "POST", MAPS, "application/yaml", yaml).await?;
    ensure!(code == 201 && map["data"]["a"] == "1", "{code} {map}");
    let path = format!("{MAPS}/written");
    let (code, _, map) = send(
        client,
        "PUT",
        &path,
        "application/yaml",
        &yaml.replace("\"1\"", "\"2\""),
    )
    .await?;
    ensure!(code == 200 && map["data"]["a"] == "2", "{code} {map}");
    let (code, _, status) = send(
        client,
        "PUT",
        &path,
        "application/yaml",
        &format!("{yaml}  a: \"3\"\n"),
    )
    .await?;
    ensure!(code == 400 && status["reason"] == "BadRequest", "{status}");
    let message = status["message"].as_str().unwrap_or_default();
    ensure!(message.contains("duplicate"), "{message}");
    let options = "kind: DeleteOptions\napiVersion: v1\ngracePeriodSeconds: 0\n";
    let (code, _, status) = send(client, "DELETE", &path, "application/yaml", options).await?;
    ensure!(code == 200, "{status}");
    let (code, ..) = send(client, "POST", MAPS, "text/plain", yaml).await?;
    ensure!(code == 415, "{code}");
    Ok(())
}

async fn patches_are_warned_of(client: &Client) -> anyhow::Result<()> {
    let map = r#"{"metadata":{"name":"patched"}}"#;
    send(client, "POST", MAPS, "application/json", map).await?;
    let path = format!("{MAPS}/patched");
    let patch = r#"{"date":{"a":"1"},"data":{"b":"2"}}"#;
    let merge = "application/merge-patch+json";
    let told = ["299 - \"unknown field \\\"date\\\"\""];
    // The default is to warn, as for other writes.
    for query in ["", "?fieldValidation=Warn"] {
        let (code, warnings, map) =
            send(client, "PATCH", &format!("{path}{query}"), merge, patch).await?;
        ensure!(code == 200 && map["data"]["b"] == "2", "{code} {map}");
        ensure!(warnings == told, "{warnings:?}");
    }
    let ignored = format!("{path}?fieldValidation=Ignore");
    let (code, warnings, _) = send(client, "PATCH", &ignored, merge, patch).await?;
    ensure!((code, warnings.len()) == (200, 0), "{warnings:?}");
    let strict = format!("{path}?fieldValidation=Strict");
    let (code, _, status) = send(client, "PATCH", &strict, merge, patch).await?;
    ensure!(code == 422, "{status}");
    Ok(())
}

async fn list(
    connection: &Connection,
    namespace: &str,
    options: ListOptions,
) -> anyhow::Result<Result<(u64, Vec<String>), Reason>> {
    let request = ApiRequest::collection(Verb::List(options), &kinds::configmaps(), namespace);
    let reply = connection.ask(&request, Bytes::new(), None).await?;
    Ok(match reply.decode::<ApiResponse>()? {
        ApiResponse::Failed { status, .. } => Err(status.reason),
        ApiResponse::Done { revision, items } => {
            let objects = split_items(&items, &reply.body).context("lengths that add up")?;
            ensure!(objects.len() == items.len());
            let name = |head: ItemHead| format!("{}/{}", head.key.namespace, head.key.name);
            Ok((revision, items.into_iter().map(name).collect()))
        }
    })
}

/// Parts of a list are one list: what was asked for in twos is what is asked for at once.
async fn components_list_in_parts(cluster: &Cluster) -> anyhow::Result<()> {
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::default_namespaced(client(cluster).await?);
    for n in 0..5 {
        let map = json!({"metadata": {"name": format!("part-{n}")}});
        maps.create(&PostParams::default(), &serde_json::from_value(map)?)
            .await?;
    }
    let read = |name: &str| std::fs::read_to_string(cluster.path().join("pki").join(name));
    let authority = Authority::from_pem(&read("ca.crt")?, &read("ca.key")?)?;
    let environment = Environment::system();
    let validity = Validity::lasting(&environment, PATIENCE * 10);
    let credentials =
        authority.issue_identity(&*environment.random, &Identity::controllers(), validity)?;
    let config = transport::Config::new(([127, 0, 0, 1], 0).into(), credentials);
    let endpoint = Endpoint::bind(config)?;
    let connection = endpoint
        .connect(listens_at(cluster, "apiserver"), &Identity::apiserver())
        .await?;
    for namespace in ["", "default"] {
        let whole = list(&connection, namespace, ListOptions::default()).await?;
        let (_, whole) = whole.map_err(|reason| anyhow::anyhow!("{reason:?}"))?;
        ensure!(whole.len() >= 5, "{whole:?}");
        let mut options = ListOptions {
            limit: 2,
            ..ListOptions::default()
        };
        let (mut parts, mut revisions) = (Vec::new(), Vec::new());
        loop {
            let part = list(&connection, namespace, options.clone()).await?;
            let (revision, names) = part.map_err(|reason| anyhow::anyhow!("{reason:?}"))?;
            ensure!(names.len() <= 2, "{names:?}");
            let full = names.len() == 2;
            parts.extend(names);
            revisions.push(revision);
            let Some((last_namespace, name)) = parts.last().and_then(|last| last.split_once('/'))
            else {
                anyhow::bail!("an empty list");
            };
            if !full {
                break;
            }
            let key =
                model::objects::key::ObjectKey::new(kinds::configmaps(), last_namespace, name);
            options.after = Some(Box::new(ListPlace { revision, key }));
            // Not part of the list: it is as of its first part.
            let late = json!({"metadata": {"name": format!("z-late-{namespace}{}", parts.len())}});
            maps.create(&PostParams::default(), &serde_json::from_value(late)?)
                .await?;
        }
        ensure!(parts == whole, "{parts:?} instead of {whole:?}");
        revisions.dedup();
        ensure!(revisions.len() == 1, "{revisions:?}");
    }
    // A place that is not in the list is refused.
    let elsewhere = ListOptions {
        limit: 2,
        after: Some(Box::new(ListPlace {
            revision: 1,
            key: model::objects::key::ObjectKey::new(kinds::secrets(), "default", "part-1"),
        })),
        ..ListOptions::default()
    };
    let refused = list(&connection, "", elsewhere).await?;
    ensure!(refused == Err(Reason::BadRequest), "{refused:?}");
    endpoint.close("done").await;
    Ok(())
}

/// Controllers that start anew see all of what is more than one part: every pod gets its owner.
async fn informers_see_all(cluster: &Cluster, client: &Client) -> anyhow::Result<()> {
    const PODS: i32 = 600;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let template = json!({
        "metadata": {"labels": {"app": "many"}},
        "spec": {
            "schedulerName": "nobody",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "a", "image": "plimsoll/echo"}],
        },
    });
    let made = futures_util::stream::iter((0..PODS).map(|n| {
        let mut pod = template.clone();
        pod["metadata"]["name"] = format!("many-{n}").into();
        let pods = pods.clone();
        async move {
            let pod: Pod = serde_json::from_value(pod)?;
            pods.create(&PostParams::default(), &pod).await?;
            anyhow::Ok(())
        }
    }));
    made.buffer_unordered(16).try_collect::<Vec<_>>().await?;
    let controllers = cluster.component("controllers").context("they run")?;
    kill(controllers, Signal::SIGKILL)?;
    let sets: Api<ReplicaSet> = Api::default_namespaced(client.clone());
    let set = json!({
        "metadata": {"name": "many"},
        "spec": {
            "replicas": PODS,
            "selector": {"matchLabels": {"app": "many"}},
            "template": template,
        },
    });
    sets.create(&PostParams::default(), &serde_json::from_value(set)?)
        .await?;
    let all = await_condition(sets.clone(), "many", |set: Option<&ReplicaSet>| {
        let status = set.and_then(|set| set.status.as_ref());
        status.is_some_and(|status| status.replicas == PODS)
    });
    tokio::time::timeout(PATIENCE * 2, all)
        .await
        .context("not all pods are seen")??;
    let list = pods
        .list(&kube::api::ListParams::default().labels("app=many"))
        .await?;
    let owned = list
        .iter()
        .filter(|pod| !kube::ResourceExt::owner_references(*pod).is_empty());
    ensure!(list.items.len() as i32 == PODS, "{}", list.items.len());
    ensure!(owned.count() as i32 == PODS, "not all pods have an owner");
    sets.delete("many", &kube::api::DeleteParams::background())
        .await?;
    Ok(())
}
