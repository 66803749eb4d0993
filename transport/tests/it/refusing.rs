//! Peers that must not be talked to, and what both sides are told.

use std::time::Duration;

use transport::pki::{Authority, Credentials, Validity};
use transport::{CloseReason, Config, Endpoint, Error, Identity};

use crate::cluster::{Cluster, loopback};
use crate::raw;

/// Lets `client` connect to `server` as the API server, and returns what each of the two was told.
async fn refused(client: &Endpoint, server: &Endpoint) -> (String, String) {
    let expected = Identity::apiserver();
    let (connected, accepted) = tokio::join!(
        client.connect(server.address().unwrap(), &expected),
        server.accept()
    );
    (
        connected.unwrap_err().to_string(),
        accepted.unwrap().unwrap_err().to_string(),
    )
}

fn bind(credentials: Credentials) -> Endpoint {
    Endpoint::bind(Config::new(loopback(), credentials)).unwrap()
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[tokio::test]
async fn a_server_of_another_cluster() {
    let client = Cluster::new().endpoint(&Identity::scheduler());
    let server = Cluster::new().endpoint(&Identity::apiserver());
    let (client, server) = refused(&client, &server).await;
    says(
        &client,
        &[
            "no connection with apiserver (127.0.0.1:",
            "invalid peer certificate",
            "BadSignature",
        ],
    );
    says(
        &server,
        &[
            "no connection with a peer at 127.0.0.1:",
            "refused by the peer",
            "BadSignature",
        ],
    );
}

/// A process that holds its own cluster's certificate, but is told to trust another's authority.
#[tokio::test]
async fn a_client_of_another_cluster() {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    let pem = theirs.credentials(&Identity::scheduler()).pem().clone();
    let intruder =
        Credentials::from_pem(ours.authority.certificate_pem(), &pem.chain, &pem.key).unwrap();
    let server = ours.endpoint(&Identity::apiserver());
    let (client, server) = refused(&bind(intruder), &server).await;
    says(
        &client,
        &[
            "no connection with apiserver",
            "refused by the peer",
            "BadSignature",
        ],
    );
    says(
        &server,
        &[
            "no connection with a peer at",
            "invalid peer certificate",
            "BadSignature",
        ],
    );
}

fn dated(cluster: &Cluster, identity: &Identity, not_before: u64, not_after: u64) -> Credentials {
    let validity = Validity {
        not_before,
        not_after,
    };
    cluster
        .authority
        .issue_identity(&*cluster.environment.random, identity, validity)
        .unwrap()
}

#[tokio::test]
async fn expired_certificates() {
    let cluster = Cluster::new();
    let now = cluster.environment.clock.unix_seconds();
    let expired = |identity: &Identity| dated(&cluster, identity, now - 7200, now - 3600);

    let server = cluster.endpoint(&Identity::apiserver());
    let (client, server) = refused(&bind(expired(&Identity::scheduler())), &server).await;
    says(&client, &["refused by the peer", "certificate expired"]);
    says(
        &server,
        &["invalid peer certificate", "certificate expired"],
    );

    let client = cluster.endpoint(&Identity::scheduler());
    let (client, server) = refused(&client, &bind(expired(&Identity::apiserver()))).await;
    says(
        &client,
        &["invalid peer certificate", "certificate expired"],
    );
    says(&server, &["refused by the peer", "certificate expired"]);
}

#[tokio::test]
async fn certificates_that_are_not_valid_yet() {
    let cluster = Cluster::new();
    let now = cluster.environment.clock.unix_seconds();
    let early = dated(&cluster, &Identity::scheduler(), now + 3600, now + 7200);
    let server = cluster.endpoint(&Identity::apiserver());
    let (client, server) = refused(&bind(early), &server).await;
    says(&client, &["refused by the peer", "not valid yet"]);
    says(&server, &["invalid peer certificate", "not valid yet"]);
}

#[tokio::test]
async fn a_peer_with_another_identity() {
    let cluster = Cluster::new();
    let client = cluster.endpoint(&Identity::kubelet("node-1").unwrap());
    let server = cluster.endpoint(&Identity::store());
    let (client, server) = refused(&client, &server).await;
    says(
        &client,
        &[
            "apiserver.plimsoll.internal",
            "only valid for",
            "store.plimsoll.internal",
        ],
    );
    says(
        &server,
        &[
            "refused by the peer",
            "apiserver.plimsoll.internal",
            "store.plimsoll.internal",
        ],
    );
}

/// kubectl's certificate comes from the same authority, and is no identity.
#[tokio::test]
async fn a_certificate_for_http() {
    let cluster = Cluster::new();
    let validity = Validity::lasting(&cluster.environment, Duration::from_secs(60));
    let random = &*cluster.environment.random;
    let admin = cluster
        .authority
        .issue_http_client(random, "admin", Some("system:masters"), validity)
        .unwrap();
    let error = Endpoint::bind(Config::new(loopback(), admin.clone())).unwrap_err();
    says(
        &error.to_string(),
        &["names no identity", "0 names below plimsoll.internal"],
    );

    let server = cluster.endpoint(&Identity::apiserver());
    let peer = raw::bind(&admin, raw::SAME);
    let connecting = peer
        .connect(server.address().unwrap(), "apiserver.plimsoll.internal")
        .unwrap();
    let (connected, accepted) = tokio::join!(connecting, server.accept());
    let told = connected.unwrap().closed().await.to_string();
    says(
        &told,
        &[
            "your certificate is refused",
            "0 names below plimsoll.internal",
        ],
    );
    says(
        &accepted.unwrap().unwrap_err().to_string(),
        &["certificate names no identity"],
    );
}

#[tokio::test]
async fn a_newer_client_and_this_version_name_both() {
    let cluster = Cluster::new();
    let server = cluster.endpoint(&Identity::apiserver());
    let newer = raw::bind(
        &cluster.credentials(&Identity::scheduler()),
        &["plimsoll/3", "plimsoll/2", "plimsoll"],
    );
    let connecting = newer
        .connect(server.address().unwrap(), "apiserver.plimsoll.internal")
        .unwrap();
    let telling = async {
        let connection = connecting.await.unwrap();
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(b"plimsoll/3, plimsoll/2").await.unwrap();
        stream.finish().unwrap();
        connection.closed().await
    };
    let (told, accepted) = tokio::join!(telling, server.accept());
    let quinn::ConnectionError::ApplicationClosed(close) = told else {
        panic!("{told}")
    };
    assert_eq!(
        &close.reason[..],
        b"plimsoll/1",
        "the newer side learns what this one speaks"
    );
    let error = accepted.unwrap().unwrap_err();
    says(
        &error.to_string(),
        &[
            "scheduler",
            "this side speaks plimsoll/1, the peer plimsoll/3, plimsoll/2",
        ],
    );
}

#[tokio::test]
async fn this_version_and_a_newer_server_name_both() {
    let cluster = Cluster::new();
    let client = cluster.endpoint(&Identity::scheduler());
    let newer = raw::bind(
        &cluster.credentials(&Identity::apiserver()),
        &["plimsoll/2", "plimsoll"],
    );
    let serving = async {
        let connection = newer.accept().await.unwrap().await.unwrap();
        let told = connection
            .accept_uni()
            .await
            .unwrap()
            .read_to_end(100)
            .await
            .unwrap();
        assert_eq!(
            told, b"plimsoll/1",
            "the newer side learns what this one speaks"
        );
        connection.close(1_u32.into(), b"plimsoll/2");
    };
    let expected = Identity::apiserver();
    let (connected, ()) = tokio::join!(
        client.connect(newer.local_addr().unwrap(), &expected),
        serving
    );
    let Err(Error::Connect { reason, .. }) = connected else {
        panic!("connected")
    };
    let (ours, theirs) = ("plimsoll/1".to_owned(), "plimsoll/2".to_owned());
    assert_eq!(reason, CloseReason::Version { ours, theirs });
}

#[tokio::test]
async fn a_client_of_another_protocol() {
    let cluster = Cluster::new();
    let server = cluster.endpoint(&Identity::apiserver());
    let stranger = raw::bind(&cluster.credentials(&Identity::scheduler()), &["h3"]);
    let connecting = stranger
        .connect(server.address().unwrap(), "apiserver.plimsoll.internal")
        .unwrap();
    let (connected, accepted) = tokio::join!(connecting, server.accept());
    connected.unwrap_err();
    says(
        &accepted.unwrap().unwrap_err().to_string(),
        &[
            "the handshake failed",
            "this side speaks plimsoll/1, the peer another protocol",
        ],
    );
}

#[tokio::test]
async fn nobody_there() {
    let cluster = Cluster {
        limits: transport::Limits {
            handshake_time_max: Duration::from_millis(200),
            ..Default::default()
        },
        ..Cluster::new()
    };
    let silent = std::net::UdpSocket::bind(loopback()).unwrap();
    let address = silent.local_addr().unwrap();
    let client = cluster.endpoint(&Identity::scheduler());
    let error = client
        .connect(address, &Identity::apiserver())
        .await
        .unwrap_err();
    says(
        &error.to_string(),
        &[
            "no connection with apiserver",
            "handshake_time_max",
            "nobody listens there",
        ],
    );
}

#[tokio::test]
async fn a_busy_port() {
    let cluster = Cluster::new();
    let first = cluster.endpoint(&Identity::apiserver());
    let config = Config::new(
        first.address().unwrap(),
        cluster.credentials(&Identity::apiserver()),
    );
    let error = Endpoint::bind(config).unwrap_err();
    says(
        &error.to_string(),
        &["cannot be opened", "choose another port"],
    );
}

#[test]
fn an_authority_read_back_issues_for_the_same_cluster() {
    let cluster = Cluster::new();
    let (certificate, key) = (
        cluster.authority.certificate_pem(),
        cluster.authority.key_pem(),
    );
    let again = Authority::from_pem(certificate, &key).unwrap();
    let cluster_again = Cluster {
        authority: again,
        ..Cluster::new()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = cluster_again.endpoint(&Identity::apiserver());
        let client = cluster.endpoint(&Identity::store());
        let expected = Identity::apiserver();
        let (connected, accepted) = tokio::join!(
            client.connect(server.address().unwrap(), &expected),
            server.accept()
        );
        connected.unwrap();
        assert_eq!(*accepted.unwrap().unwrap().identity(), Identity::store());
    });
    let other = Cluster::new();
    let error = Authority::from_pem(certificate, &other.authority.key_pem()).unwrap_err();
    says(
        &error.to_string(),
        &["the key does not belong to the certificate of the authority"],
    );
    says(
        &Authority::from_pem("", &key).unwrap_err().to_string(),
        &["the authority's certificate cannot be read"],
    );
    says(
        &Authority::from_pem(certificate, "x")
            .unwrap_err()
            .to_string(),
        &["the authority's key cannot be read"],
    );
}

#[test]
fn http_servers_cannot_be_named_like_identities() {
    let cluster = Cluster::new();
    let validity = Validity::lasting(&cluster.environment, Duration::from_secs(60));
    let issue = |name| {
        cluster.authority.issue_http_server(
            &*cluster.environment.random,
            &[name],
            &[[127, 0, 0, 1].into()],
            validity,
        )
    };
    issue("kubernetes.default.svc").unwrap();
    for name in [
        "apiserver.plimsoll.internal",
        "APISERVER.Plimsoll.Internal.",
        "plimsoll.internal",
    ] {
        says(
            &issue(name).unwrap_err().to_string(),
            &[name, "names below plimsoll.internal are identities"],
        );
    }
    says(
        &issue("snöwman").unwrap_err().to_string(),
        &["cannot be certified for HTTP"],
    );
}
