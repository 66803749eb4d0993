//! `v1` Container.

use serde_json::{Map, Value};

use super::{Fields, each, image, inner, set};

/// A container of any of a pod's three lists.
pub(super) fn container(container: &mut Fields) {
    let image = container
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let policy = if image::is_latest(image) {
        "Always"
    } else {
        "IfNotPresent"
    };
    set(container, "imagePullPolicy", policy);
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    set(container, "resources", Map::new());
    each(container, "ports").for_each(|port| set(port, "protocol", "TCP"));
    for variable in each(container, "env") {
        if let Some(from) = inner(variable, "valueFrom")
            && let Some(field) = inner(from, "fieldRef")
        {
            set(field, "apiVersion", "v1");
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = inner(container, name) {
            self::probe(probe);
        }
    }
    if let Some(lifecycle) = inner(container, "lifecycle") {
        for name in ["postStart", "preStop"] {
            if let Some(handler) = inner(lifecycle, name) {
                http_get(handler);
            }
        }
    }
    if let Some(resources) = inner(container, "resources") {
        requests_from_limits(resources);
    }
}

fn probe(probe: &mut Fields) {
    set(probe, "timeoutSeconds", 1);
    set(probe, "periodSeconds", 10);
    set(probe, "successThreshold", 1);
    set(probe, "failureThreshold", 3);
    http_get(probe);
    if let Some(grpc) = inner(probe, "grpc") {
        set(grpc, "service", "");
    }
}

fn http_get(handler: &mut Fields) {
    if let Some(get) = inner(handler, "httpGet") {
        set(get, "path", "/");
        set(get, "scheme", "HTTP");
    }
}

/// A resource with a limit and without a request is requested up to its limit.
fn requests_from_limits(resources: &mut Fields) {
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else {
        return;
    };
    if limits.is_empty() {
        return;
    }
    set(resources, "requests", Map::new());
    if let Some(requests) = inner(resources, "requests") {
        for (name, amount) in limits {
            set(requests, &name, amount);
        }
    }
}
