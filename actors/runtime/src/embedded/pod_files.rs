//! The files a pod has of its own: `/etc/hosts`, `/etc/hostname`, `/etc/resolv.conf`.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::cri::PodSandboxConfig;

/// Where each file is seen inside, and its name in the sandbox's directory.
pub(super) const FILES: [(&str, &str); 3] = [
    ("/etc/hosts", "hosts"),
    ("/etc/hostname", "hostname"),
    ("/etc/resolv.conf", "resolv.conf"),
];

/// Writes the pod's files into `directory`.
pub(super) fn write(
    directory: &Path,
    config: &PodSandboxConfig,
    address: Option<Ipv4Addr>,
) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("hostname"), format!("{}\n", config.hostname))?;
    fs::write(directory.join("hosts"), hosts(config, address))?;
    fs::write(directory.join("resolv.conf"), resolv_conf(config))
}

/// As the kubelet's own (kubernetes `pkg/kubelet/kubelet_pods.go`, `nodeHostsFileContent` and
/// `managedHostsFileContent`).
fn hosts(config: &PodSandboxConfig, address: Option<Ipv4Addr>) -> String {
    let mut text = match address {
        Some(address) => format!(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n{address}\t{}\n",
            config.hostname
        ),
        None => fs::read_to_string("/etc/hosts").unwrap_or_default(),
    };
    if !config.host_aliases.is_empty() {
        text += "\n# Entries added by HostAliases.\n";
    }
    for alias in &config.host_aliases {
        text += &format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t"));
    }
    text
}

fn resolv_conf(config: &PodSandboxConfig) -> String {
    let Some(dns) = &config.dns else {
        return fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    };
    let mut text = String::new();
    if !dns.searches.is_empty() {
        text += &format!("search {}\n", dns.searches.join(" "));
    }
    for server in &dns.servers {
        text += &format!("nameserver {server}\n");
    }
    if !dns.options.is_empty() {
        text += &format!("options {}\n", dns.options.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::{DnsConfig, HostAlias};

    #[test]
    fn files_say_what_the_pod_is() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let config = PodSandboxConfig {
            hostname: "web".to_owned(),
            dns: Some(DnsConfig {
                servers: words("10.0.0.10"),
                searches: words("a.svc b.svc"),
                options: words("ndots:5"),
            }),
            host_aliases: vec![HostAlias {
                ip: "1.2.3.4".to_owned(),
                hostnames: words("x y"),
            }],
            ..Default::default()
        };
        assert_eq!(
            resolv_conf(&config),
            "search a.svc b.svc\nnameserver 10.0.0.10\noptions ndots:5\n"
        );
        let hosts = hosts(&config, Some(Ipv4Addr::new(10, 1, 2, 3)));
        assert!(hosts.contains("\n10.1.2.3\tweb\n"), "{hosts}");
        assert!(hosts.ends_with("\n1.2.3.4\tx\ty\n"), "{hosts}");
    }
}
