//! What pods ask for, and what taints they put up with.

use model::rules::resources::{PodResources, Resources};
use model::rules::taints::{self, NO_EXECUTE, NO_SCHEDULE, Taint, Toleration};
use serde_json::json;

fn asked(spec: &serde_json::Value) -> PodResources {
    serde_json::from_str(&spec.to_string()).expect("a pod's spec")
}

fn requests(cpu: &str, memory: &str) -> serde_json::Value {
    json!({ "resources": { "requests": { "cpu": cpu, "memory": memory } } })
}

#[test]
fn pods_ask_for_the_sum_or_the_most_demanding_moment() {
    let cases = [
        (json!({ "containers": [] }), (0, 0)),
        (json!({ "containers": [{}] }), (0, 0)),
        (
            json!({ "containers": [requests("100m", "1Ki"), requests("0.2", "1Ki")] }),
            (300, 2048),
        ),
        // A limit stands in for a request that is missing.
        (
            json!({ "containers": [{ "resources": { "limits": { "cpu": 2 } } }] }),
            (2000, 0),
        ),
        // Init containers run one after another, before the others.
        (
            json!({ "containers": [requests("100m", "1Ki")], "initContainers": [requests("1", "512"), requests("500m", "2Ki")] }),
            (1000, 2048),
        ),
        // A sidecar runs beside those after it.
        (
            json!({ "containers": [requests("100m", "1Ki")], "initContainers": [
            { "restartPolicy": "Always", "resources": { "requests": { "cpu": "50m" } } }, requests("120m", "0")] }),
            (170, 1024),
        ),
        (
            json!({ "containers": [requests("100m", "1Ki")], "overhead": { "cpu": "10m" } }),
            (110, 1024),
        ),
        // What is negative is nothing.
        (json!({ "containers": [requests("-1", "1Ki")] }), (0, 1024)),
    ];
    for (spec, (milli_cpu, memory)) in cases {
        let sum = asked(&spec).requests();
        assert_eq!((sum.milli_cpu, sum.memory), (milli_cpu, memory), "{spec}");
    }
}

#[test]
fn for_scoring_nothing_counts_as_little() {
    let weight = asked(&json!({ "containers": [{}, requests("1", "1Gi")] })).nonzero_requests();
    assert_eq!(
        (weight.milli_cpu, weight.memory),
        (1100, (200 << 20) + (1 << 30))
    );
}

#[test]
fn extended_resources_come_and_go() {
    let list = |json: serde_json::Value| {
        Resources::of(&serde_json::from_str(&json.to_string()).expect("a list"))
    };
    let mut taken = list(json!({ "example.com/gpu": 2, "ephemeral-storage": "1Gi", "pods": "3" }));
    assert_eq!(
        (
            taken.extended["example.com/gpu"],
            taken.ephemeral_storage,
            taken.pods
        ),
        (2, 1 << 30, 3)
    );
    taken.subtract(&list(json!({ "example.com/gpu": 2 })));
    assert!(taken.extended.is_empty());
}

#[test]
fn tolerations() {
    let taint = |text: &str| {
        let parts: Vec<&str> = text.split(':').collect();
        Taint {
            key: parts[0].to_owned(),
            value: parts[1].to_owned(),
            effect: parts[2].to_owned(),
        }
    };
    let toleration = |key: &str, operator: &str, value: &str, effect: &str| Toleration {
        key: key.to_owned(),
        operator: operator.to_owned(),
        value: value.to_owned(),
        effect: effect.to_owned(),
        toleration_seconds: None,
    };
    let cases = [
        (toleration("a", "", "1", ""), "a:1:NoSchedule", true),
        (
            toleration("a", "Equal", "1", "NoSchedule"),
            "a:1:NoSchedule",
            true,
        ),
        (toleration("a", "Equal", "2", ""), "a:1:NoSchedule", false),
        (toleration("a", "Exists", "", ""), "a:1:NoExecute", true),
        (toleration("", "Exists", "", ""), "a:1:NoExecute", true),
        (
            toleration("a", "Exists", "", "NoSchedule"),
            "a:1:NoExecute",
            false,
        ),
        (toleration("b", "Exists", "", ""), "a:1:NoExecute", false),
        (toleration("a", "Gt", "0", ""), "a:1:NoExecute", false),
    ];
    for (toleration, text, expected) in cases {
        assert_eq!(
            toleration.tolerates(&taint(text)),
            expected,
            "{toleration:?} {text}"
        );
    }
    let all = [
        taint("p::PreferNoSchedule"),
        taint("a:1:NoSchedule"),
        taint("b:2:NoExecute"),
    ];
    let tolerates_a = [toleration("a", "Exists", "", "")];
    let hard = [NO_SCHEDULE, NO_EXECUTE];
    assert_eq!(
        taints::untolerated(&all, &tolerates_a, &hard)
            .map(Taint::to_string)
            .as_deref(),
        Some("{b: 2}")
    );
    assert_eq!(
        taints::untolerated(&all, &tolerates_a, &[NO_SCHEDULE]),
        None
    );
    assert_eq!(taints::disliked(&all, &tolerates_a), 1);
}
