//! What a process shows and whom it trusts.

use std::fmt;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{PkiError, pem};

/// A certificate with its key, and the authority to trust.
pub struct Credentials {
    ca: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pem: CredentialsPem,
}

/// [`Credentials`] in the form files hold.
#[derive(Clone)]
pub struct CredentialsPem {
    /// The authority's certificate.
    pub ca: String,
    /// The certificate, followed by intermediate ones if there are any.
    pub chain: String,
    /// The private key (PKCS #8).
    pub key: String,
}

impl Credentials {
    /// Reads the three PEM texts.
    ///
    /// # Errors
    /// [`PkiError::Pem`] says which of the three cannot be read and why.
    pub fn from_pem(ca: &str, chain: &str, key: &str) -> Result<Self, PkiError> {
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        let certificates = certificates.map_err(|error| pem("the certificate", error))?;
        if certificates.is_empty() {
            return Err(pem(
                "the certificate",
                "there is no CERTIFICATE section in it",
            ));
        }
        Ok(Self {
            ca: CertificateDer::from_pem_slice(ca.as_bytes())
                .map_err(|error| pem("the authority's certificate", error))?,
            chain: certificates,
            key: PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|error| pem("the private key", error))?,
            pem: CredentialsPem {
                ca: ca.to_owned(),
                chain: chain.to_owned(),
                key: key.to_owned(),
            },
        })
    }

    /// The PEM texts, to be written to files (the key's readable by its owner only).
    pub fn pem(&self) -> &CredentialsPem {
        &self.pem
    }

    /// The authority to trust.
    pub fn ca(&self) -> &CertificateDer<'static> {
        &self.ca
    }

    /// The certificate, followed by intermediate ones if there are any; never empty.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The private key.
    pub fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self {
            ca: self.ca.clone(),
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            pem: self.pem.clone(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("chain", &self.pem.chain)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CredentialsPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsPem")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}
