//! The API server's objects over the real store: written, raced for, listed in parts, watched, and compacted away.

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use model::messages::store::{Segment, StoreRequest, StoreResponse, Wire};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use transport::pki::Authority;
use transport::{Endpoint, Environment, Identity, pki::Validity};

use crate::cluster::{Cluster, PATIENCE, eventually};
use crate::kube_rs::{block_on, client};

fn map(name: &str, n: usize) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"n": n.to_string()}}))
        .expect("a config map")
}

/// Has the store forget what was before a revision, as the API server does from time to time.
async fn compact(cluster: &Cluster, revision: u64) -> anyhow::Result<()> {
    let read = |name: &str| std::fs::read_to_string(cluster.path().join("pki").join(name));
    let authority = Authority::from_pem(&read("ca.crt")?, &read("ca.key")?)?;
    let environment = Environment::system();
    let validity = Validity::lasting(&environment, PATIENCE * 10);
    let credentials =
        authority.issue_identity(&*environment.random, &Identity::apiserver(), validity)?;
    let endpoint = Endpoint::bind(transport::Config::new(
        ([127, 0, 0, 1], 0).into(),
        credentials,
    ))?;
    let store = crate::hostile::listens_at(cluster, "store");
    let connection = endpoint.connect(store, &Identity::store()).await?;
    let request: StoreRequest<model::objects::bytes::Bytes> = StoreRequest::Compact { revision };
    let (header, body) = request.split()?;
    let reply = connection.ask(&header, Bytes::from(body), None).await?;
    let response = reply.decode::<StoreResponse<Segment>>()?;
    ensure!(
        matches!(response, StoreResponse::Done { .. }),
        "{response:?}"
    );
    endpoint.close("done").await;
    Ok(())
}

async fn raw(client: &Client, path: &str) -> anyhow::Result<(u16, Value)> {
    let request = http::Request::get(path).body(Vec::new().into())?;
    let response = client.send(request).await?;
    let code = response.status().as_u16();
    let body = kube::client::Body::collect_bytes(response.into_body()).await?;
    Ok((code, serde_json::from_slice(&body).unwrap_or_default()))
}

/// The first line of a watch after a revision.
async fn first_event(client: &Client, revision: &str) -> anyhow::Result<Value> {
    let path = format!("{MAPS}?watch=1&resourceVersion={revision}");
    let request = http::Request::get(path).body(Vec::new())?;
    let mut lines = client.request_stream(request).await?.lines();
    let line = lines.try_next().await?.context("the watch is empty")?;
    Ok(serde_json::from_str(&line)?)
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn objects_live_in_the_store() {
    let cluster = Cluster::start(&[]);
    objects_live_in(&cluster);
    cluster.stop();
}

/// What the API promises of objects, down to the store's compaction.
pub(crate) fn objects_live_in(cluster: &Cluster) {
    let (old, token) = block_on(async {
        let client = client(cluster).await?;
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());

        // A create of what is there, and an update of what has changed since, are refused.
        let first = maps.create(&PostParams::default(), &map("a", 0)).await?;
        let again = maps.create(&PostParams::default(), &map("a", 1)).await;
        ensure!(
            matches!(&again, Err(kube::Error::Api(status)) if status.reason == "AlreadyExists"),
            "{again:?}"
        );
        let mut newer = first.clone();
        newer.data = map("a", 1).data;
        let newer = maps.replace("a", &PostParams::default(), &newer).await?;
        let late = maps.replace("a", &PostParams::default(), &first).await;
        ensure!(
            matches!(&late, Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "Conflict"),
            "{late:?}"
        );

        // A watch from the create sees the update, and nothing twice.
        let old = first.resource_version().context("no resourceVersion")?;
        let event = first_event(&client, &old).await?;
        ensure!(event["type"] == "MODIFIED", "{event}");
        ensure!(
            event["object"]["metadata"]["resourceVersion"].as_str()
                == newer.resource_version().as_deref(),
            "{event}"
        );

        // A list in parts is as of its first part's revision, whatever is written meanwhile.
        for name in ["b", "c", "d"] {
            maps.create(&PostParams::default(), &map(name, 0)).await?;
        }
        let part = maps.list(&ListParams::default().limit(2)).await?;
        let token = part.metadata.continue_.clone().context("no token")?;
        maps.delete("d", &Default::default()).await?;
        let rest = maps
            .list(&ListParams::default().limit(9).continue_token(&token))
            .await?;
        let names: Vec<String> = part
            .iter()
            .chain(&rest)
            .map(ResourceExt::name_any)
            .collect();
        ensure!(names == ["a", "b", "c", "d"], "{names:?}");
        ensure!(
            rest.metadata.resource_version == part.metadata.resource_version,
            "{:?}",
            rest.metadata
        );
        let newest = maps.list(&ListParams::default()).await?;
        let revision = newest
            .metadata
            .resource_version
            .context("no resourceVersion")?;
        compact(cluster, revision.parse()?).await?;
        // The API server still knows what the store has forgotten.
        ensure!(first_event(&client, &old).await?["type"] == "MODIFIED");
        Ok((old, token))
    });

    // Once it has to read the store anew, that past is gone for everybody, and said so.
    let process = cluster.component("apiserver").expect("it runs");
    kill(process, Signal::SIGKILL).expect("it runs");
    let back = || {
        let output = cluster.plimsoll(&["get", "configmaps", "a"]);
        let other = cluster
            .component("apiserver")
            .is_some_and(|now| now != process);
        (other && output.status.success()).then_some(())
    };
    eventually(PATIENCE, back).unwrap_or_else(|| panic!("not back:\n{}", cluster.told()));
    block_on(async {
        let client = client(cluster).await?;
        let event = first_event(&client, &old).await?;
        ensure!(
            event["type"] == "ERROR" && event["object"]["code"] == 410,
            "{event}"
        );
        let exact = format!("{MAPS}?resourceVersion={old}&resourceVersionMatch=Exact");
        let (code, status) = raw(&client, &exact).await?;
        ensure!(code == 410 && status["reason"] == "Expired", "{status}");
        let (code, status) = raw(&client, &format!("{MAPS}?limit=2&continue={token}")).await?;
        ensure!(code == 410 && status["reason"] == "Expired", "{status}");
        // The token in the refusal goes on with what is there.
        let next = status["metadata"]["continue"]
            .as_str()
            .context("no token")?;
        let (code, rest) = raw(&client, &format!("{MAPS}?limit=2&continue={next}")).await?;
        let names: Vec<&str> = rest["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["metadata"]["name"].as_str())
            .collect();
        ensure!(
            (code, names.as_slice()) == (200, ["c"].as_slice()),
            "{rest}"
        );
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        let a = maps.get("a").await?;
        ensure!(a.data == map("a", 1).data, "{a:?}");
        Ok(())
    });
}
