//! Certificates of another authority, certificates that ran out, and kubelets that ask for what is not theirs.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::PostParams;
use kube::config::{AuthInfo, Kubeconfig};
use kube::{Api, Client, Config};
use model::messages::api::{ApiRequest, ApiResponse, ListOptions, Verb};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::Reason;
use serde_json::json;
use transport::pki::{Authority, Validity};
use transport::{Connection, Endpoint, Environment, Identity};

use super::{listens_at, still_serves};
use crate::cluster::Cluster;
use crate::kube_rs::{block_on, client};

const DAY: Duration = Duration::from_secs(86_400);

fn authority(cluster: &Cluster) -> Authority {
    let read = |name: &str| {
        std::fs::read_to_string(cluster.path().join("pki").join(name)).expect("up wrote it")
    };
    Authority::from_pem(&read("ca.crt"), &read("ca.key")).expect("up wrote it")
}

/// A client that trusts the server and shows the certificate of an admin, signed by `authority`.
async fn admin(
    cluster: &Cluster,
    authority: &Authority,
    validity: Validity,
) -> anyhow::Result<Client> {
    let environment = Environment::system();
    let signed = authority.issue_http_client(
        &*environment.random,
        "kubernetes-admin",
        Some("system:masters"),
        validity,
    )?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let mut kubeconfig = Kubeconfig::read_from(cluster.kubeconfig())?;
    let user = AuthInfo {
        client_certificate: Some(file("crt", &signed.pem().chain)?),
        client_key: Some(file("key", &signed.pem().key)?),
        ..AuthInfo::default()
    };
    kubeconfig.auth_infos[0].auth_info = Some(user);
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
    Ok(Client::try_from(config)?)
}

pub(super) fn strangers_are_refused(cluster: &Cluster) {
    let environment = Environment::system();
    let today = Validity::lasting(&environment, DAY);
    let now = environment.clock.unix_seconds();
    let past = Validity {
        not_before: now - 10 * DAY.as_secs(),
        not_after: now - DAY.as_secs(),
    };
    let stranger = Authority::create(&*environment.random, today).expect("an authority");
    let real = authority(cluster);
    block_on(async {
        for (name, authority, validity) in [
            ("another authority", &stranger, today),
            ("ran out", &real, past),
        ] {
            let pods: Api<Pod> =
                Api::default_namespaced(admin(cluster, authority, validity).await?);
            match pods.list(&Default::default()).await {
                Ok(_) => anyhow::bail!("{name}: was served"),
                Err(kube::Error::Api(status)) => ensure!(status.code == 401, "{name}: {status:?}"),
                // Refused in the handshake.
                Err(_) => {}
            }
        }
        // The same way is open to who is signed by the cluster's authority and in time.
        let pods: Api<Pod> = Api::default_namespaced(admin(cluster, &real, today).await?);
        pods.list(&Default::default())
            .await
            .context("an admin of the cluster's own authority")?;

        let apiserver = listens_at(cluster, "apiserver");
        let identity = Identity::kubelet("node-8")?;
        for (name, authority, validity) in [
            ("another authority", &stranger, today),
            ("ran out", &real, past),
        ] {
            let credentials =
                authority.issue_identity(&*environment.random, &identity, validity)?;
            let endpoint = Endpoint::bind(transport::Config::new(
                ([127, 0, 0, 1], 0).into(),
                credentials,
            ));
            // An endpoint may refuse its own certificate before anybody else can.
            if let Ok(endpoint) = endpoint {
                let connected = endpoint.connect(apiserver, &Identity::apiserver()).await;
                ensure!(connected.is_err(), "{name}: was connected over QUIC");
            }
        }
        Ok(())
    });
    still_serves(cluster);
}

async fn get(connection: &Connection, key: &ObjectKey) -> anyhow::Result<ApiResponse> {
    let reply = connection
        .ask(&ApiRequest::object(Verb::Get, key), Bytes::new(), None)
        .await?;
    Ok(reply.decode()?)
}

fn refused(response: &ApiResponse) -> bool {
    matches!(response, ApiResponse::Failed { status, .. } if status.reason == Reason::Forbidden)
}

/// A kubelet reads the secrets of the pods bound to its node, and nobody else's; nor may it write for another.
pub(super) fn kubelets_see_their_own(cluster: &Cluster) {
    let mounting = |name: &str, node: &str, secret: &str| -> Pod {
        let pod = json!({
            "metadata": {"name": name},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "echo",
                    "image": "plimsoll/echo",
                    "volumeMounts": [{"name": "s", "mountPath": "/s"}],
                }],
                "volumes": [{"name": "s", "secret": {"secretName": secret}}],
            },
        });
        serde_json::from_value(pod).expect("a pod")
    };
    block_on(async {
        let client = client(cluster).await?;
        let secrets: Api<Secret> = Api::default_namespaced(client.clone());
        let pods: Api<Pod> = Api::default_namespaced(client);
        for name in ["theirs", "own"] {
            let secret = serde_json::from_value(
                json!({"metadata": {"name": name}, "stringData": {"k": "v"}}),
            )?;
            secrets.create(&PostParams::default(), &secret).await?;
        }
        pods.create(
            &PostParams::default(),
            &mounting("theirs", "node-1", "theirs"),
        )
        .await?;
        pods.create(&PostParams::default(), &mounting("own", "node-9", "own"))
            .await?;

        let environment = Environment::system();
        let validity = Validity::lasting(&environment, DAY);
        let identity = Identity::kubelet("node-9")?;
        let credentials =
            authority(cluster).issue_identity(&*environment.random, &identity, validity)?;
        let endpoint = Endpoint::bind(transport::Config::new(
            ([127, 0, 0, 1], 0).into(),
            credentials,
        ))?;
        let connection = endpoint
            .connect(listens_at(cluster, "apiserver"), &Identity::apiserver())
            .await?;

        let secret = |name: &str| ObjectKey::new(kinds::secrets(), "default", name);
        let own = get(&connection, &secret("own")).await?;
        ensure!(
            matches!(own, ApiResponse::Done { .. }),
            "its own secret: {own:?}"
        );
        let theirs = get(&connection, &secret("theirs")).await?;
        ensure!(refused(&theirs), "another node's secret: {theirs:?}");
        let list = ApiRequest::collection(
            Verb::List(ListOptions::default()),
            &kinds::secrets(),
            "default",
        );
        let list = connection
            .ask(&list, Bytes::new(), None)
            .await?
            .decode::<ApiResponse>()?;
        ensure!(refused(&list), "all secrets: {list:?}");
        let pod = ObjectKey::new(kinds::pods(), "default", "theirs");
        let status = Bytes::from_static(b"{\"status\":{\"phase\":\"Failed\"}}");
        let patch = Verb::Patch(model::messages::api::PatchType::Merge);
        let patch = ApiRequest::object(patch, &pod).subresource("status");
        let patched = connection
            .ask(&patch, status, None)
            .await?
            .decode::<ApiResponse>()?;
        ensure!(refused(&patched), "another node's pod: {patched:?}");
        let node = ObjectKey::new(kinds::nodes(), "", "node-1");
        let deleted = ApiRequest::object(Verb::Delete(Default::default()), &node);
        let deleted = connection
            .ask(&deleted, Bytes::new(), None)
            .await?
            .decode::<ApiResponse>()?;
        ensure!(refused(&deleted), "another node: {deleted:?}");
        endpoint.close("done").await;

        let gone = kube::api::DeleteParams::default().grace_period(0);
        for name in ["theirs", "own"] {
            pods.delete(name, &gone).await?;
        }
        Ok(())
    });
    still_serves(cluster);
}
