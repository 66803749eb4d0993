//! Who may do what: one line a question, in the file `authorization.txt` beside this one.
//!
//! `USER VERB RESOURCE[/SUBRESOURCE][.GROUP] NAMESPACE/NAME [FIELD SELECTOR]`, a dash for what is empty. The pod
//! `default/mine` is bound to `node-1` and uses what is called `mine`; `default/other` is bound to `node-2`,
//! `default/unbound` to none.

use std::fmt::Write as _;

use model::rules::authorization::{
    Attributes, CONTROLLERS, Facts, Identity, MASTERS, SCHEDULER, authorize, authorize_path,
};

struct Cluster;

impl Facts for Cluster {
    fn pod_node(&self, namespace: &str, pod: &str) -> Option<String> {
        match (namespace, pod) {
            ("default", "mine") => Some("node-1".to_owned()),
            ("default", "other") => Some("node-2".to_owned()),
            ("default", "unbound") => Some(String::new()),
            _ => None,
        }
    }

    fn used_by_pod_on(&self, node: &str, _: &str, namespace: &str, name: &str) -> bool {
        (node, namespace, name) == ("node-1", "default", "mine")
    }
}

fn who(word: &str) -> Identity {
    match word {
        "admin" => Identity::new("admin", &[MASTERS]),
        "node-1" => Identity::node("node-1"),
        "pretender" => Identity::new("system:node:node-1", &[]),
        "scheduler" => Identity::new(SCHEDULER, &[]),
        "controllers" => Identity::new(CONTROLLERS, &[]),
        "user" => Identity::new("user", &["people"]),
        _ => Identity::anonymous(),
    }
}

/// A dash stands for nothing.
fn full(word: &str) -> &str {
    if word == "-" { "" } else { word }
}

#[test]
fn questions() {
    let mut answers = String::new();
    for line in include_str!("authorization.txt")
        .lines()
        .filter(|line| !line.is_empty())
    {
        let mut words = line.split(' ').map(full);
        let mut next = || words.next().unwrap_or_default();
        let (user, verb, resource, place, field_selector) =
            (next(), next(), next(), next(), next());
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let (namespace, name) = place.split_once('/').expect("NAMESPACE/NAME");
        let (namespace, name) = (full(namespace), full(name));
        let what = Attributes {
            verb,
            group,
            resource,
            subresource,
            namespace,
            name,
            field_selector,
        };
        let answer = match authorize(&who(user), &what, &Cluster) {
            Ok(()) => "yes".to_owned(),
            Err(status) => format!("{} {}", status.reason.code(), status.message),
        };
        writeln!(answers, "{line}\n    {answer}").expect("a string takes all");
    }
    insta::assert_snapshot!(answers);
}

#[test]
fn paths() {
    let mut answers = String::new();
    for user in ["admin", "node-1", "user", "anonymous"] {
        for path in [
            "/livez",
            "/livez/ping",
            "/version",
            "/api",
            "/apis/apps/v1",
            "/openapi/v3",
            "/metrics",
            "/livezz",
        ] {
            let answer = match authorize_path(&who(user), "get", path) {
                Ok(()) => "yes".to_owned(),
                Err(status) => format!("{} {}", status.reason.code(), status.message),
            };
            writeln!(answers, "{user} {path}: {answer}").expect("a string takes all");
        }
    }
    insta::assert_snapshot!(answers);
}
