//! Where an etcd is, as a command line tells it.

use std::str::FromStr;

use http::Uri;

/// The members of one etcd cluster, and what of its keys is ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EtcdAddress {
    /// `http://HOST:PORT` of each member; at least one.
    pub members: Vec<String>,
    /// What every key of ours begins with, as in `/plimsoll`: no slash at its end.
    pub prefix: String,
}

/// What every key begins with unless the URL says otherwise.
const PREFIX: &str = "/plimsoll";

/// What is wrong with the address of an etcd.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no URL.
    #[error("{url:?} is not a URL such as http://127.0.0.1:2379")]
    Url {
        /// What was given.
        url: String,
    },
    /// TLS is asked for.
    #[error(
        "{url}: TLS to etcd is not supported; give http://, to an etcd on this machine or through a tunnel to it"
    )]
    Tls {
        /// What was given.
        url: String,
    },
    /// A user is named.
    #[error(
        "{url}: etcd's users are not supported; give http://HOST:PORT to an etcd without authentication"
    )]
    User {
        /// What was given.
        url: String,
    },
    /// The members' paths differ.
    #[error(
        "the path of {url} is not that of the member before it, {prefix}: one cluster has one prefix"
    )]
    Prefix {
        /// What was given.
        url: String,
        /// The prefix of the others.
        prefix: String,
    },
}

impl FromStr for EtcdAddress {
    type Err = AddressError;

    /// `http://HOST:PORT[/PREFIX][,…]`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut members = Vec::new();
        let mut prefix: Option<String> = None;
        for url in text.split(',') {
            let (member, path) = member(url)?;
            let path = match path.trim_end_matches('/') {
                "" => PREFIX.to_owned(),
                path => path.to_owned(),
            };
            match &prefix {
                Some(prefix) if *prefix != path => {
                    return Err(AddressError::Prefix {
                        url: url.to_owned(),
                        prefix: prefix.clone(),
                    });
                }
                _ => prefix = Some(path),
            }
            members.push(member);
        }
        Ok(EtcdAddress {
            members,
            prefix: prefix.unwrap_or_else(|| PREFIX.to_owned()),
        })
    }
}

/// A member's own URL, and the path behind it.
fn member(url: &str) -> Result<(String, String), AddressError> {
    let parsed: Uri = url.parse().map_err(|_| AddressError::Url {
        url: url.to_owned(),
    })?;
    let named = || url.to_owned();
    match (parsed.scheme_str(), parsed.authority()) {
        (Some("https"), _) => Err(AddressError::Tls { url: named() }),
        (Some("http"), Some(authority)) if authority.as_str().contains('@') => {
            Err(AddressError::User { url: named() })
        }
        (Some("http"), Some(authority)) if parsed.query().is_none() => {
            Ok((format!("http://{authority}"), parsed.path().to_owned()))
        }
        _ => Err(AddressError::Url { url: named() }),
    }
}

impl std::fmt::Display for EtcdAddress {
    /// As [`from_str`](Self::from_str) takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let urls: Vec<String> = self
            .members
            .iter()
            .map(|member| match &*self.prefix {
                PREFIX => member.clone(),
                prefix => format!("{member}{prefix}"),
            })
            .collect();
        f.write_str(&urls.join(","))
    }
}
