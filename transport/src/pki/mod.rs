//! The cluster's certificate authority, and what it issues.
//!
//! Every key is Ed25519: its signatures have one length, so that a simulated handshake has the same
//! datagrams for the same seed. One authority signs identities (QUIC), the certificate of the API
//! server (HTTPS) and those of its clients; they cannot stand in for one another, because only
//! identities carry a name below [`ZONE`](crate::identity::ZONE).

mod credentials;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::environment::{Environment, Random};
use crate::identity::{self, Identity};

pub use credentials::{Credentials, CredentialsPem};

/// The common name of the authority, as `kubeadm` calls it.
const AUTHORITY_NAME: &str = "kubernetes";

/// How far before now a certificate begins to be valid, for clocks that run behind.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Why no certificate was made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A PEM text does not hold what it should.
    #[error("{what} cannot be read: {reason}")]
    Pem {
        /// Which of the texts.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Key and certificate do not belong together.
    #[error(
        "the key does not belong to the certificate of {0}; give the pair that was written together"
    )]
    KeyMismatch(&'static str),
    /// A name for an HTTP certificate that is no DNS name, or one that only identities carry.
    #[error("{name:?} cannot be certified for HTTP: {reason}")]
    Name {
        /// The offending name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The source of random bytes failed.
    #[error("no key was made: {0}")]
    Random(#[from] io::Error),
    /// The certificate could not be encoded or signed.
    #[error("no certificate was made: {0}")]
    Signing(#[from] rcgen::Error),
}

/// When a certificate is valid, in seconds since 1970-01-01 00:00:00 UTC, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: u64,
    /// Last second.
    pub not_after: u64,
}

impl Validity {
    /// From five minutes before the environment's now for `lifetime`.
    pub fn lasting(environment: &Environment, lifetime: Duration) -> Self {
        let now = environment.clock.unix_seconds();
        Self {
            not_before: now.saturating_sub(CLOCK_SKEW.as_secs()),
            not_after: now.saturating_add(lifetime.as_secs()),
        }
    }
}

/// The cluster's certificate authority: whoever holds its key is the cluster.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("certificate", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority with a key of its own, drawn from `random`.
    ///
    /// # Errors
    /// [`PkiError::Random`] and [`PkiError::Signing`].
    pub fn create(random: &dyn Random, validity: Validity) -> Result<Self, PkiError> {
        let key = generate_key(random)?;
        let params = authority_params(random, validity)?;
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem,
        })
    }

    /// The authority that [`Authority::certificate_pem`] and [`Authority::key_pem`] once wrote.
    ///
    /// # Errors
    /// [`PkiError::Pem`] and [`PkiError::KeyMismatch`].
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let what = "the authority's certificate";
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| pem(what, error))?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| pem(what, error))?;
        let key = KeyPair::from_pem(key_pem).map_err(|error| pem("the authority's key", error))?;
        if *parsed.public_key().subject_public_key.data != *key.public_key_raw() {
            return Err(PkiError::KeyMismatch("the authority"));
        }
        let name = parsed
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .ok_or_else(|| pem(what, "it has no common name"))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.key_usages = authority_usages();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem: certificate_pem.to_owned(),
        })
    }

    /// The authority's certificate, which every member of the cluster trusts.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's private key (PKCS #8). Keep it where only the cluster's owner reads.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for a component's QUIC endpoint, good for both ends of a connection.
    ///
    /// # Errors
    /// [`PkiError::Random`] and [`PkiError::Signing`].
    pub fn issue_identity(
        &self,
        random: &dyn Random,
        identity: &Identity,
        validity: Validity,
    ) -> Result<Credentials, PkiError> {
        let name = identity.dns_name();
        let mut params = leaf_params(random, &name, None, validity)?;
        params.subject_alt_names = vec![SanType::DnsName(name.try_into()?)];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign(random, &params)
    }

    /// A certificate for an HTTPS server that is reached under `dns_names` and `addresses`.
    ///
    /// # Errors
    /// [`PkiError::Name`] for a name below [`ZONE`](identity::ZONE) or one that is no DNS name; else as
    /// [`Authority::issue_identity`].
    pub fn issue_http_server(
        &self,
        random: &dyn Random,
        dns_names: &[&str],
        addresses: &[IpAddr],
        validity: Validity,
    ) -> Result<Credentials, PkiError> {
        let mut params = leaf_params(random, "kube-apiserver", None, validity)?;
        for name in dns_names {
            let refused = |reason: String| PkiError::Name {
                name: (*name).to_owned(),
                reason,
            };
            if identity::in_zone(name) {
                return Err(refused(format!(
                    "names below {} are identities",
                    identity::ZONE
                )));
            }
            let name = (*name)
                .try_into()
                .map_err(|error: rcgen::Error| refused(error.to_string()))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params
            .subject_alt_names
            .extend(addresses.iter().copied().map(SanType::IpAddress));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(random, &params)
    }

    /// A certificate for an HTTPS client: `user` is its common name and `group` its organization, as
    /// Kubernetes reads them (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/>).
    /// One group only, since rcgen holds one value an attribute.
    ///
    /// # Errors
    /// As [`Authority::issue_identity`].
    pub fn issue_http_client(
        &self,
        random: &dyn Random,
        user: &str,
        group: Option<&str>,
        validity: Validity,
    ) -> Result<Credentials, PkiError> {
        let mut params = leaf_params(random, user, group, validity)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(random, &params)
    }

    fn sign(
        &self,
        random: &dyn Random,
        params: &CertificateParams,
    ) -> Result<Credentials, PkiError> {
        let key = generate_key(random)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Credentials::from_pem(
            &self.certificate_pem,
            &certificate.pem(),
            &key.serialize_pem(),
        )
    }
}

fn pem(what: &'static str, reason: impl fmt::Display) -> PkiError {
    PkiError::Pem {
        what,
        reason: reason.to_string(),
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

fn authority_usages() -> Vec<KeyUsagePurpose> {
    vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ]
}

fn authority_params(
    random: &dyn Random,
    validity: Validity,
) -> Result<CertificateParams, PkiError> {
    let mut params = dated_params(random, validity)?;
    params.distinguished_name = common_name(AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = authority_usages();
    Ok(params)
}

fn leaf_params(
    random: &dyn Random,
    name: &str,
    organization: Option<&str>,
    validity: Validity,
) -> Result<CertificateParams, PkiError> {
    let mut params = dated_params(random, validity)?;
    params.distinguished_name = common_name(name);
    if let Some(organization) = organization {
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization);
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn dated_params(random: &dyn Random, validity: Validity) -> Result<CertificateParams, PkiError> {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.not_before = epoch + Duration::from_secs(validity.not_before);
    params.not_after = epoch + Duration::from_secs(validity.not_after);
    let mut serial = [0; 16];
    random.fill(&mut serial)?;
    // The first byte keeps the DER integer positive and its length constant.
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// An Ed25519 key from 32 random bytes, in the PKCS #8 form of RFC 8410, section 7.
fn generate_key(random: &dyn Random) -> Result<KeyPair, PkiError> {
    const PKCS8_PREFIX: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let mut document = [0; 48];
    document[..16].copy_from_slice(&PKCS8_PREFIX);
    random.fill(&mut document[16..])?;
    let der = PrivatePkcs8KeyDer::from(document.as_slice());
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(
        &der,
        &rcgen::PKCS_ED25519,
    )?)
}
