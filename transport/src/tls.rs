//! TLS 1.3 of an endpoint: ring, mutual certificates of one authority, ALPN.

use std::sync::Arc;

use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use crate::environment::{Environment, TlsTime};
use crate::error::{CloseReason, Error};
use crate::identity::Identity;
use crate::pki::Credentials;

/// Versions of the protocol that this crate speaks, best first.
pub(crate) const VERSIONS: &[&str] = &["plimsoll/1"];

/// Spoken by every version: both sides only tell their versions and part, so that each can name both.
/// TLS alone would say no more than that there is no common protocol.
pub(crate) const ANY_VERSION: &str = "plimsoll";

/// This side's versions in the form that a peer of another version is told.
pub(crate) fn our_versions() -> String {
    VERSIONS.join(", ")
}

/// The two halves of an endpoint's TLS.
pub(crate) struct Tls {
    pub(crate) client: Arc<QuicClientConfig>,
    pub(crate) server: Arc<QuicServerConfig>,
}

impl Tls {
    pub(crate) fn new(credentials: &Credentials, environment: &Environment) -> Result<Self, Error> {
        let refused = |error: &dyn std::fmt::Display| Error::Credentials(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(credentials.ca().clone())
            .map_err(|error| refused(&error))?;
        let roots = Arc::new(roots);
        let client =
            client(&provider, &roots, credentials, environment).map_err(|error| refused(&error))?;
        let server = server(&provider, &roots, credentials, environment)?;
        Ok(Self {
            client: Arc::new(QuicClientConfig::try_from(client).map_err(|error| refused(&error))?),
            server: Arc::new(QuicServerConfig::try_from(server).map_err(|error| refused(&error))?),
        })
    }
}

fn alpn() -> Vec<Vec<u8>> {
    VERSIONS
        .iter()
        .chain([&ANY_VERSION])
        .map(|name| name.as_bytes().to_vec())
        .collect()
}

fn client(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    credentials: &Credentials,
    environment: &Environment,
) -> Result<rustls::ClientConfig, rustls::Error> {
    let time = Arc::new(TlsTime(environment.clock.clone()));
    let mut config = rustls::ClientConfig::builder_with_details(provider.clone(), time)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(credentials.chain().to_vec(), credentials.key().clone_key())?;
    config.alpn_protocols = alpn();
    // A resumed session would outlive the certificate it began with.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn server(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    credentials: &Credentials,
    environment: &Environment,
) -> Result<rustls::ServerConfig, Error> {
    let time = Arc::new(TlsTime(environment.clock.clone()));
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| Error::Credentials(error.to_string()))?;
    let mut config = rustls::ServerConfig::builder_with_details(provider.clone(), time)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map(|builder| builder.with_client_cert_verifier(verifier))
        .and_then(|builder| {
            builder.with_single_cert(credentials.chain().to_vec(), credentials.key().clone_key())
        })
        .map_err(|error| Error::Credentials(error.to_string()))?;
    config.alpn_protocols = alpn();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Whether the handshake agreed on a version that this crate speaks.
pub(crate) fn agreed(connection: &quinn::Connection) -> bool {
    connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok())
        .and_then(|data| data.protocol)
        .is_some_and(|protocol| {
            VERSIONS
                .iter()
                .any(|version| version.as_bytes() == protocol)
        })
}

/// Who the peer is, from the certificate that TLS has verified.
pub(crate) fn peer_identity(connection: &quinn::Connection) -> Result<Identity, CloseReason> {
    let chain = connection
        .peer_identity()
        .and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok())
        .unwrap_or_default();
    match chain.first() {
        Some(certificate) => Identity::from_certificate(certificate).map_err(CloseReason::Identity),
        None => Err(CloseReason::Handshake(
            "the peer showed no certificate".to_owned(),
        )),
    }
}
