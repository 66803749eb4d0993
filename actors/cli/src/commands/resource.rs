//! Which resource a word on the command line means, and its paths.

use anyhow::Context;
use model::objects::kinds::{KINDS, Kind};

/// The kind that a word names: plural, singular, short name or kind, with or without its group.
///
/// # Errors
/// If there is none; the message names those there are.
pub fn find(word: &str) -> anyhow::Result<&'static Kind> {
    let lower = word.to_lowercase();
    let (name, group) = lower
        .split_once('.')
        .map_or((lower.as_str(), None), |(name, group)| (name, Some(group)));
    let known = KINDS.iter().find(|kind| {
        let named =
            kind.plural == name || kind.singular == name || kind.short_names.contains(&name);
        named && group.is_none_or(|group| kind.group == group)
    });
    known.with_context(|| {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.plural).collect();
        format!("there is no kind {word:?}; there are {}", names.join(", "))
    })
}

/// The path of a kind's collection in a namespace (`None` for all), and of an object in it.
pub fn path(kind: &Kind, namespace: Option<&str>, name: Option<&str>) -> String {
    let mut path = if kind.group.is_empty() {
        format!("/api/{}", kind.version)
    } else {
        format!("/apis/{}/{}", kind.group, kind.version)
    };
    if let (true, Some(namespace)) = (kind.namespaced, namespace) {
        path.push_str(&format!("/namespaces/{}", escaped(namespace)));
    }
    path.push_str(&format!("/{}", kind.plural));
    if let Some(name) = name {
        path.push_str(&format!("/{}", escaped(name)));
    }
    path
}

/// `pod/web`, `replicaset.apps/web`: as kubectl names an object.
pub fn shown(kind: &Kind, name: &str) -> String {
    let group = if kind.group.is_empty() {
        String::new()
    } else {
        format!(".{}", kind.group)
    };
    format!("{}{group}/{name}", kind.singular)
}

/// A path segment or query value with everything but unreserved characters percent-encoded (RFC 3986, section 2.3).
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_every_name() {
        for word in ["po", "pod", "pods", "Pod"] {
            assert_eq!(find(word).expect("known").plural, "pods");
        }
        assert_eq!(find("rs.apps").expect("known").plural, "replicasets");
        assert!(find("rs.batch").is_err());
        assert!(
            find("sheep")
                .expect_err("unknown")
                .to_string()
                .contains("configmaps")
        );
    }

    #[test]
    fn paths_are_the_apis() {
        let pods = find("pods").expect("known");
        let sets = find("rs").expect("known");
        let nodes = find("nodes").expect("known");
        assert_eq!(
            path(pods, Some("a b"), Some("x/y")),
            "/api/v1/namespaces/a%20b/pods/x%2Fy"
        );
        assert_eq!(path(sets, None, None), "/apis/apps/v1/replicasets");
        assert_eq!(path(nodes, Some("default"), Some("n")), "/api/v1/nodes/n");
        assert_eq!(shown(sets, "web"), "replicaset.apps/web");
    }
}
