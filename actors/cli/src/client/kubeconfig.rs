//! Reading a kubeconfig: which server, whom it trusts, who we are to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::Deserialize;

use crate::cluster::default_data_dir;

/// A file larger than this is no kubeconfig, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// An API server and how to talk to it.
#[derive(Clone, Debug)]
pub struct Server {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS and the name in the server's certificate; none for plain HTTP.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Bearer token.
    pub token: Option<String>,
    /// Namespace of the context; `default` if it names none.
    pub namespace: String,
}

/// The kubeconfig to use: the one given, else `KUBECONFIG`, else the one of the default cluster.
pub fn find_kubeconfig(given: Option<&Path>) -> PathBuf {
    let from_list =
        |list: std::ffi::OsString| std::env::split_paths(&list).find(|path| path.is_file());
    let data_dir =
        || std::env::var_os("PLIMSOLL_DATA_DIR").map_or_else(default_data_dir, PathBuf::from);
    given
        .map(Path::to_owned)
        .or_else(|| std::env::var_os("KUBECONFIG").and_then(from_list))
        .unwrap_or_else(|| data_dir().join("kubeconfig"))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    current_context: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context_,
}

#[derive(Deserialize)]
struct Context_ {
    cluster: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    namespace: Option<String>,
}

impl Server {
    /// Reads the current context of a kubeconfig.
    ///
    /// # Errors
    /// If the file cannot be read, or says something that this client cannot do.
    pub fn from_kubeconfig(file: &Path) -> anyhow::Result<Self> {
        let shown = file.display();
        let text = read_limited(file).with_context(|| {
            format!("the kubeconfig {shown} cannot be read; start a cluster with `plimsoll up`, or give --kubeconfig")
        })?;
        let config: Config = serde_saphyr::from_str(&text)
            .map_err(|error| anyhow::anyhow!("{}", error.to_string().replace('\n', " ")))
            .with_context(|| format!("the kubeconfig {shown} cannot be understood"))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        Self::from_config(config, folder).with_context(|| format!("the kubeconfig {shown}"))
    }

    /// A server without TLS or credentials, as `http://HOST:PORT`.
    ///
    /// # Errors
    /// If the URL is not one.
    pub fn from_url(url: &str) -> anyhow::Result<Self> {
        let (secure, host, port) = split_url(url)?;
        if secure {
            bail!("{url} needs certificates; give a kubeconfig instead");
        }
        Ok(Server {
            host,
            port,
            tls: None,
            token: None,
            namespace: "default".to_owned(),
        })
    }

    fn from_config(config: Config, folder: &Path) -> anyhow::Result<Self> {
        let wanted = &config.current_context;
        let context = config
            .contexts
            .into_iter()
            .find(|context| context.name == *wanted);
        let context = context
            .with_context(|| format!("has no context {wanted:?}, its current-context"))?
            .context;
        let cluster = config
            .clusters
            .into_iter()
            .find(|cluster| cluster.name == context.cluster);
        let cluster = cluster
            .with_context(|| format!("has no cluster {:?}", context.cluster))?
            .cluster;
        let user = config
            .users
            .into_iter()
            .find(|user| user.name == context.user);
        let user = user.map(|user| user.user).unwrap_or_default();
        let (secure, host, port) = split_url(&cluster.server)?;
        let tls = if secure {
            let name = cluster
                .tls_server_name
                .as_deref()
                .unwrap_or(&host)
                .to_owned();
            let name =
                ServerName::try_from(name).context("the server has no name that TLS can check")?;
            Some((Arc::new(tls(&cluster, &user, folder)?), name))
        } else {
            None
        };
        let token = match (user.token, user.token_file) {
            (Some(token), _) => Some(token),
            (None, Some(file)) => Some(read_limited(&folder.join(file))?.trim().to_owned()),
            (None, None) => None,
        };
        let namespace = context.namespace.filter(|namespace| !namespace.is_empty());
        Ok(Server {
            host,
            port,
            tls,
            token,
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
        })
    }
}

fn tls(cluster: &Cluster, user: &User, folder: &Path) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if cluster.insecure_skip_tls_verify {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(super::connection::Unverified::new()))
    } else {
        let mut trusted = rustls::RootCertStore::empty();
        let pem = material(
            &cluster.certificate_authority_data,
            &cluster.certificate_authority,
            folder,
        )
        .context("certificate-authority")?;
        let pem = pem.context("names no certificate-authority, so the server cannot be checked")?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            trusted.add(certificate.context("certificate-authority")?)?;
        }
        builder.with_root_certificates(trusted)
    };
    let certificate = material(
        &user.client_certificate_data,
        &user.client_certificate,
        folder,
    )
    .context("client-certificate")?;
    let key = material(&user.client_key_data, &user.client_key, folder).context("client-key")?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let chain: Vec<_> = CertificateDer::pem_slice_iter(&certificate)
                .collect::<Result<_, _>>()
                .context("client-certificate")?;
            let key = PrivateKeyDer::from_pem_slice(&key).context("client-key")?;
            Ok(builder.with_client_auth_cert(chain, key)?)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// What a pair of settings `X-data` and `X` gives: bytes inside the file, or those of another file.
fn material(
    data: &Option<String>,
    file: &Option<PathBuf>,
    folder: &Path,
) -> anyhow::Result<Option<Vec<u8>>> {
    match (data, file) {
        (Some(data), _) => Ok(Some(STANDARD.decode(data.trim()).context("is not base64")?)),
        (None, Some(file)) => Ok(Some(read_limited(&folder.join(file))?.into_bytes())),
        (None, None) => Ok(None),
    }
}

/// `https://HOST:PORT` as (secure, host, port).
fn split_url(url: &str) -> anyhow::Result<(bool, String, u16)> {
    let wrong = || format!("{url:?} is not a server: http://HOST:PORT or https://HOST:PORT");
    let uri: http::Uri = url.parse().with_context(wrong)?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => bail!(wrong()),
    };
    let host = uri
        .host()
        .with_context(wrong)?
        .trim_matches(['[', ']'])
        .to_owned();
    Ok((
        secure,
        host,
        uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
    ))
}

fn read_limited(file: &Path) -> anyhow::Result<String> {
    let length = std::fs::metadata(file)
        .with_context(|| file.display().to_string())?
        .len();
    if length > FILE_BYTES_MAX {
        bail!(
            "{} is {length} bytes long, more than {FILE_BYTES_MAX}",
            file.display()
        );
    }
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Server> {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("kubeconfig");
        std::fs::write(&file, text).expect("written");
        Server::from_kubeconfig(&file)
    }

    #[test]
    fn plain_http_with_a_token() {
        let server = read(
            "clusters: [{name: c, cluster: {server: 'http://[::1]:8001'}}]\n\
             users: [{name: u, user: {token: abc}}]\n\
             contexts: [{name: x, context: {cluster: c, user: u, namespace: n}}]\n\
             current-context: x\n",
        )
        .expect("a server");
        assert_eq!((server.host.as_str(), server.port), ("::1", 8001));
        assert_eq!(
            (server.token.as_deref(), server.namespace.as_str()),
            (Some("abc"), "n")
        );
        assert!(server.tls.is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |text: &str| format!("{:#}", read(text).expect_err("incomplete"));
        assert!(error("current-context: x\n").contains("has no context \"x\""));
        let unchecked = "clusters: [{name: c, cluster: {server: 'https://h'}}]\n\
             contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n";
        assert!(error(unchecked).contains("names no certificate-authority"));
        assert!(error("clusters: 7\n").contains("cannot be understood"));
    }
}
