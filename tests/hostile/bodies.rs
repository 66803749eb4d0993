//! Bodies that are malformed, too long or too deep.

use anyhow::ensure;
use serde_json::Value;

use super::{ask, still_serves};
use crate::cluster::Cluster;
use crate::kube_rs::{block_on, client};

const PODS: &str = "/api/v1/namespaces/default/pods";
const JSON: &str = "application/json";

pub(super) fn are_refused(cluster: &Cluster) {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("{{\"kind\":\"Pod\",\"a\":\"{}\"}}", "x".repeat(32 << 20));
    let many = format!("{{{}\"kind\":\"Pod\"}}", "\"a\":1,".repeat(100_000));
    let patches = format!(
        "[{}]",
        vec!["{\"op\":\"test\",\"path\":\"/a\",\"value\":1}"; 50_000].join(",")
    );
    let cases: Vec<(&str, &str, &str, &str, Vec<u8>, &[u16])> = vec![
        ("empty", "POST", PODS, JSON, Vec::new(), &[400]),
        (
            "no JSON",
            "POST",
            PODS,
            JSON,
            b"{\"kind\":".to_vec(),
            &[400],
        ),
        (
            "no UTF-8",
            "POST",
            PODS,
            JSON,
            b"{\"kind\":\"\xff\xfe\"}".to_vec(),
            &[400],
        ),
        ("no object", "POST", PODS, JSON, b"[1,2,3]".to_vec(), &[400]),
        (
            "another kind",
            "POST",
            PODS,
            JSON,
            b"{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}".to_vec(),
            &[400],
        ),
        (
            "a number for a name",
            "POST",
            PODS,
            JSON,
            b"{\"metadata\":{\"name\":7}}".to_vec(),
            &[400, 422],
        ),
        ("deep", "POST", PODS, JSON, deep.into_bytes(), &[400, 422]),
        ("long", "POST", PODS, JSON, long.into_bytes(), &[413]),
        (
            "one field many times",
            "POST",
            PODS,
            JSON,
            many.into_bytes(),
            &[400, 422],
        ),
        (
            "a media type nobody knows",
            "POST",
            PODS,
            "text/plain",
            b"pod".to_vec(),
            &[415],
        ),
        (
            "a patch of a thing that is not",
            "PATCH",
            "/api/v1/namespaces/default/pods/x",
            "application/merge-patch+json",
            b"{}".to_vec(),
            &[404],
        ),
        (
            "very many patches",
            "PATCH",
            "/api/v1/namespaces/default",
            "application/json-patch+json",
            patches.into_bytes(),
            &[400, 413, 422],
        ),
        (
            "a path that is not",
            "GET",
            "/api/v1/namespaces/default/sheep",
            JSON,
            Vec::new(),
            &[404],
        ),
        (
            "a method that is not",
            "PUT",
            PODS,
            JSON,
            b"{}".to_vec(),
            &[405],
        ),
        (
            "dots in a path",
            "GET",
            "/api/v1/namespaces/default/pods/..%2f..%2fsecrets",
            JSON,
            Vec::new(),
            &[400, 404],
        ),
        (
            "a limit that is none",
            "GET",
            "/api/v1/pods?limit=many",
            JSON,
            Vec::new(),
            &[400],
        ),
        (
            "a selector that is none",
            "GET",
            "/api/v1/pods?labelSelector=a%20in",
            JSON,
            Vec::new(),
            &[400],
        ),
        (
            "a continue token that is none",
            "GET",
            "/api/v1/pods?limit=1&continue=x",
            JSON,
            Vec::new(),
            &[400, 410],
        ),
        (
            "a resourceVersion that is none",
            "GET",
            "/api/v1/pods?watch=1&resourceVersion=x",
            JSON,
            Vec::new(),
            &[400],
        ),
    ];
    block_on(async {
        let client = client(cluster).await?;
        let mut faults = Vec::new();
        for (name, method, path, content_type, body, expected) in cases {
            let request = http::Request::builder()
                .method(method)
                .uri(path)
                .header("content-type", content_type);
            match ask(&client, request, body).await {
                Ok((status, answer)) => {
                    let said: Value = serde_json::from_str(&answer).unwrap_or_default();
                    let explained = said["kind"] == "Status"
                        && said["message"].as_str().is_some_and(|m| !m.is_empty());
                    if !expected.contains(&status) || !explained {
                        let answer: String = answer.chars().take(300).collect();
                        faults.push(format!(
                            "{name}: {status} instead of {expected:?}: {answer}"
                        ));
                    }
                }
                // A server may stop reading a body that is too long, and close.
                Err(_) if expected.contains(&413) => {}
                Err(error) => faults.push(format!("{name}: {error:#}")),
            }
        }
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    });
    still_serves(cluster);
}
