//! The cluster's certificates, in `DIR/pki`.
//!
//! The authority lives for ten years and is made once; a new one is made when it nears its end, and then every client
//! needs the new kubeconfig. Everything else is issued at every start of a cluster: it costs well under a
//! millisecond, and no certificate ever runs out in a cluster that is restarted once a year.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use transport::pki::{Authority, Credentials, Validity};
use transport::{Environment, Identity};
use x509_parser::pem::Pem;

use super::data_dir::write_whole;

const AUTHORITY_LIFETIME: Duration = Duration::from_secs(3_650 * 86_400);
const LIFETIME: Duration = Duration::from_secs(365 * 86_400);
/// An authority must outlive what it signs, with a month to spare.
const AUTHORITY_LIFETIME_LEFT_MIN: Duration = Duration::from_secs((365 + 30) * 86_400);

/// Names under which clients inside and outside the cluster reach the API server.
const API_NAMES: &[&str] = &[
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Name of the API server's HTTPS certificate; that of its identity is the component's.
pub const API_CERTIFICATE: &str = "apiserver-https";

/// The authority of a cluster and where its certificates are.
#[derive(Debug)]
pub struct Pki {
    folder: PathBuf,
    authority: Authority,
    environment: Environment,
}

impl Pki {
    /// Reads the authority, or makes one.
    ///
    /// # Errors
    /// If the files cannot be read or written, or do not belong together.
    pub fn open(data_dir: &Path, environment: Environment) -> anyhow::Result<Self> {
        let folder = data_dir.join("pki");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let (certificate, key) = (folder.join("ca.crt"), folder.join("ca.key"));
        let present = certificate.exists() && key.exists() && outlives(&certificate, &environment)?;
        let authority = if present {
            Authority::from_pem(&read(&certificate)?, &read(&key)?).with_context(|| {
                format!(
                    "{}; restore it from a copy, or remove it to begin anew",
                    folder.display()
                )
            })?
        } else {
            let validity = Validity::lasting(&environment, AUTHORITY_LIFETIME);
            let authority = Authority::create(&*environment.random, validity)?;
            write_whole(&key, 0o600, &authority.key_pem())?;
            write_whole(&certificate, 0o644, authority.certificate_pem())?;
            authority
        };
        Ok(Pki {
            folder,
            authority,
            environment,
        })
    }

    /// Issues a component's identity and writes it.
    ///
    /// # Errors
    /// If it cannot be issued or written.
    pub fn issue(&self, name: &str, identity: &Identity) -> anyhow::Result<()> {
        let credentials =
            self.authority
                .issue_identity(&*self.environment.random, identity, self.validity())?;
        self.write(name, &credentials)
    }

    /// Issues the API server's HTTPS certificate, for loopback and the address that it is served at.
    ///
    /// # Errors
    /// If it cannot be issued or written.
    pub fn issue_api(&self, address: SocketAddr) -> anyhow::Result<()> {
        let mut addresses = vec![
            IpAddr::from([127, 0, 0, 1]),
            IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        ];
        if !address.ip().is_unspecified() && !address.ip().is_loopback() {
            addresses.push(address.ip());
        }
        let random = &*self.environment.random;
        let credentials =
            self.authority
                .issue_http_server(random, API_NAMES, &addresses, self.validity())?;
        self.write(API_CERTIFICATE, &credentials)
    }

    /// Issues the client certificate of an admin (group `system:masters`, as kubeadm does) and writes it.
    ///
    /// # Errors
    /// If it cannot be issued or written.
    pub fn issue_admin(&self, name: &str) -> anyhow::Result<Credentials> {
        let random = &*self.environment.random;
        let group = Some("system:masters");
        let credentials =
            self.authority
                .issue_http_client(random, "kubernetes-admin", group, self.validity())?;
        self.write(name, &credentials)?;
        Ok(credentials)
    }

    fn validity(&self) -> Validity {
        Validity::lasting(&self.environment, LIFETIME)
    }

    fn write(&self, name: &str, credentials: &Credentials) -> anyhow::Result<()> {
        write_whole(
            &self.folder.join(format!("{name}.key")),
            0o600,
            &credentials.pem().key,
        )?;
        write_whole(
            &self.folder.join(format!("{name}.crt")),
            0o644,
            &credentials.pem().chain,
        )
    }
}

/// What `up` wrote for `name`: the component's certificate, its key, and the authority.
///
/// # Errors
/// If a file is missing or not what it should be.
pub fn read_credentials(folder: &Path, name: &str) -> anyhow::Result<Credentials> {
    let file = |ending: &str| read(&folder.join(format!("{name}.{ending}")));
    let credentials =
        Credentials::from_pem(&read(&folder.join("ca.crt"))?, &file("crt")?, &file("key")?);
    credentials.with_context(|| format!("the credentials {name} in {}", folder.display()))
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// Whether the authority lives longer than what would be signed with it today.
fn outlives(certificate: &Path, environment: &Environment) -> anyhow::Result<bool> {
    let bytes = std::fs::read(certificate)
        .with_context(|| format!("{} cannot be read", certificate.display()))?;
    let wrong = || {
        format!(
            "{} holds no certificate; restore it, or remove it to begin anew",
            certificate.display()
        )
    };
    let pem = Pem::iter_from_buffer(&bytes)
        .next()
        .with_context(wrong)?
        .with_context(wrong)?;
    let parsed = pem.parse_x509().with_context(wrong)?;
    let ends = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    Ok(ends > environment.clock.unix_seconds() + AUTHORITY_LIFETIME_LEFT_MIN.as_secs())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use transport::WallClock;

    use super::*;

    #[derive(Debug)]
    struct At(u64);

    impl WallClock for At {
        fn unix_seconds(&self) -> u64 {
            self.0
        }
    }

    fn at(seconds: u64) -> Environment {
        Environment {
            clock: Arc::new(At(seconds)),
            ..Environment::system()
        }
    }

    #[test]
    fn the_authority_stays_until_it_nears_its_end() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let start = 1_800_000_000;
        let open = |days: u64| {
            let pki = Pki::open(folder.path(), at(start + days * 86_400)).expect("opens");
            pki.authority.certificate_pem().to_owned()
        };
        let first = open(0);
        assert_eq!(open(3_000), first);
        assert_ne!(open(3_400), first);
    }

    #[test]
    fn keys_are_for_their_owner_and_credentials_are_read_back() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let pki = Pki::open(folder.path(), Environment::system()).expect("opens");
        pki.issue(
            "node-1.kubelet",
            &Identity::kubelet("node-1").expect("a name"),
        )
        .expect("issued");
        pki.issue_api("10.1.2.3:6443".parse().expect("an address"))
            .expect("issued");
        pki.issue_admin("admin").expect("issued");
        let pki_folder = folder.path().join("pki");
        let mut keys = 0;
        for entry in std::fs::read_dir(&pki_folder).expect("readable") {
            let entry = entry.expect("readable");
            if entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "key")
            {
                keys += 1;
                let mode = entry.metadata().expect("readable").permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
            }
        }
        assert_eq!(keys, 4);
        let read = read_credentials(&pki_folder, "node-1.kubelet").expect("readable");
        let identity = Identity::from_certificate(&read.chain()[0]).expect("an identity");
        assert_eq!(identity.node(), Some("node-1"));
        let error = read_credentials(&pki_folder, "node-2.kubelet").expect_err("never issued");
        assert!(
            format!("{error:#}").contains("node-2.kubelet.crt"),
            "{error:#}"
        );
    }

    #[test]
    fn a_damaged_authority_is_not_replaced_in_silence() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        Pki::open(folder.path(), Environment::system()).expect("opens");
        std::fs::write(folder.path().join("pki/ca.crt"), "nothing").expect("written");
        let error = format!(
            "{:#}",
            Pki::open(folder.path(), Environment::system()).expect_err("damaged")
        );
        assert!(error.contains("ca.crt holds no certificate"), "{error}");
    }
}
