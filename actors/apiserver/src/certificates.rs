//! TLS for HTTP: the server's certificate, and what a client's says about who it is.

use std::sync::Arc;

use model::rules::authorization::Identity;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;
use transport::pki::Credentials;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why there is no TLS, or no identity.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be parsed.
    #[error("the client's certificate cannot be read: {0}")]
    Unreadable(String),
    /// rustls refuses the certificate, the key or the authority.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A certificate that is a component's, for QUIC.
    #[error(
        "the certificate is a component's identity for QUIC ({0}), which does not count for HTTP"
    )]
    Component(transport::Identity),
    /// A certificate without the name of a user.
    #[error("the certificate names no user: its subject has no common name")]
    Nameless,
}

/// TLS 1.2 and newer, with client certificates of the cluster's authority where clients have one.
///
/// # Errors
/// [`CertificateError::Tls`].
pub fn acceptor(serving: &Credentials) -> Result<TlsAcceptor, CertificateError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = |error: &dyn std::fmt::Display| CertificateError::Tls(error.to_string());
    let mut roots = RootCertStore::empty();
    roots
        .add(serving.ca().clone())
        .map_err(|error| tls(&error))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| tls(&error))?;
    let (chain, key) = (serving.chain().to_vec(), serving.key().clone_key());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| tls(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Who a client is, by its verified certificate: the common name is the user, the organizations are groups
/// ("X509 client certificates" of the Kubernetes documentation).
///
/// # Errors
/// [`CertificateError::Component`] for a certificate that is meant for QUIC, [`CertificateError::Nameless`].
pub fn identity(certificate: &CertificateDer<'_>) -> Result<Identity, CertificateError> {
    if let Ok(component) = transport::Identity::from_certificate(certificate) {
        return Err(CertificateError::Component(component));
    }
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| CertificateError::Unreadable(error.to_string()))?;
    let subject = parsed.subject();
    let name = subject
        .iter_common_name()
        .find_map(|name| name.as_str().ok());
    let groups: Vec<&str> = subject
        .iter_organization()
        .filter_map(|group| group.as_str().ok())
        .collect();
    match name.filter(|name| !name.is_empty()) {
        Some(user) => Ok(Identity::new(user, &groups)),
        None => Err(CertificateError::Nameless),
    }
}
