//! Image references, normalised as Docker and containerd do
//! (distribution/reference `normalize.go`, `regexp.go`).

use std::fmt;
use std::str::FromStr;

/// Longest name in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A reference in full: `docker.io/library/busybox:latest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    name: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Registry and repository, such as `docker.io/library/busybox`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest, `sha256:…`, if the reference has one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Name and digest, as in an image's `repo_digests`.
    pub fn with_digest(&self, digest: &str) -> String {
        format!("{}@{digest}", self.name)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(checked_digest(digest)?)),
            None => (text, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => (before, Some(checked_tag(tag)?)),
            _ => (rest, None),
        };
        let (domain, path) = match rest.split_once('/') {
            Some((first, path)) if is_domain(first) => (first, path.to_owned()),
            _ => ("docker.io", rest.to_owned()),
        };
        let domain = if domain == "index.docker.io" {
            "docker.io"
        } else {
            domain
        };
        let path = if domain == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path
        };
        if !path.split('/').all(is_path_component) {
            return Err("invalid reference format: a name is made of lower-case letters, digits and single separators".to_owned());
        }
        if !domain
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
        {
            return Err("invalid reference format: not a registry".to_owned());
        }
        let name = format!("{domain}/{path}");
        if name.len() > NAME_BYTES_MAX {
            return Err(format!(
                "repository name must not be more than {NAME_BYTES_MAX} characters"
            ));
        }
        let tag = match (&tag, &digest) {
            (None, None) => Some("latest".to_owned()),
            _ => tag,
        };
        Ok(Self { name, tag, digest })
    }
}

/// A first component is a registry if it could not be a component of a Docker Hub name.
fn is_domain(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':']) || text.bytes().any(|b| b.is_ascii_uppercase())
}

/// Lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separator = String::new();
    if !text.bytes().next().is_some_and(plain) || !text.bytes().last().is_some_and(plain) {
        return false;
    }
    for byte in text.bytes() {
        if plain(byte) {
            separator.clear();
            continue;
        }
        separator.push(char::from(byte));
        let allowed =
            matches!(separator.as_str(), "." | "_" | "__") || separator.bytes().all(|b| b == b'-');
        if !allowed {
            return false;
        }
    }
    true
}

fn checked_tag(tag: &str) -> Result<String, String> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let begins = tag.bytes().next().is_some_and(word);
    if begins && tag.len() <= 128 && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-') {
        Ok(tag.to_owned())
    } else {
        Err("invalid reference format: not a tag".to_owned())
    }
}

fn checked_digest(digest: &str) -> Result<String, String> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
    match hex {
        Some(hex)
            if hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) =>
        {
            Ok(digest.to_owned())
        }
        _ => Err("invalid reference format: not a sha256 digest".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_as_docker_does() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let cases = [
            ("busybox", "docker.io/library/busybox:latest"),
            ("plimsoll/echo", "docker.io/plimsoll/echo:latest"),
            (
                "index.docker.io/plimsoll/echo:v1",
                "docker.io/plimsoll/echo:v1",
            ),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x:1.2-a_b", "localhost:5000/x:1.2-a_b"),
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
            (
                "docker.io/a-b__c.d/e---f",
                "docker.io/a-b__c.d/e---f:latest",
            ),
        ];
        for (given, full) in cases {
            assert_eq!(
                given.parse::<Reference>().map(|r| r.to_string()),
                Ok(full.to_owned()),
                "{given}"
            );
        }
        let pinned = format!("busybox@{digest}");
        let full = format!("docker.io/library/busybox@{digest}");
        assert_eq!(pinned.parse::<Reference>().map(|r| r.to_string()), Ok(full));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(300);
        let cases = [
            "",
            ":tag",
            "Busybox",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "a___b",
            "-a",
            "a:",
            "a:b/c:",
            "a@sha256:12",
            "a b",
            &long,
        ];
        for given in cases {
            assert!(given.parse::<Reference>().is_err(), "{given:?}");
        }
    }
}
