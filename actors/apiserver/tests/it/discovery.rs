//! Discovery documents.

use apiserver::discovery::document;
use http::HeaderMap;
use http::header::{ACCEPT, HeaderValue};
use model::objects::status::Reason;

const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

fn accepting(media: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(media));
    headers
}

#[test]
fn documents() {
    for (name, path, accept) in [
        ("api", "/api", "application/json"),
        ("apis", "/apis", "application/json"),
        ("group", "/apis/apps", "*/*"),
        ("core_v1", "/api/v1", "application/json"),
        ("apps_v1", "/apis/apps/v1", "application/json"),
        (
            "coordination_v1",
            "/apis/coordination.k8s.io/v1",
            "application/json",
        ),
        ("api_aggregated", "/api", AGGREGATED),
        ("apis_aggregated", "/apis", AGGREGATED),
    ] {
        let (document, media) = document(path, &accepting(accept))
            .expect("acceptable")
            .expect("served");
        let text = serde_json::to_string_pretty(&document).expect("JSON");
        insta::assert_snapshot!(name, format!("{media}\n{text}"));
    }
}

#[test]
fn what_is_not_served() {
    let json = accepting("application/json");
    for path in [
        "/apis/batch",
        "/apis/apps/v1beta1",
        "/api/v2",
        "/apis/apps/v1/x",
        "/metrics",
    ] {
        assert_eq!(document(path, &json), Ok(None), "{path}");
    }
    let protobuf = accepting("application/vnd.kubernetes.protobuf");
    let refused = document("/api/v1", &protobuf).expect_err("no protobuf");
    assert_eq!(refused.reason, Reason::NotAcceptable);
}
