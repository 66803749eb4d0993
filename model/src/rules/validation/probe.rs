//! `v1` Probe and lifecycle handlers.

use serde_json::Value;

use super::field::{Faults, Path};
use super::json::{get, items, text};
use super::not_negative;

/// Ports of TCP and UDP.
pub(super) const PORT_RULE: &str = "must be between 1 and 65535, inclusive";

/// Checks the probes and lifecycle handlers of a container.
pub(super) fn probes(container: &Value, at: &Path<'_>, faults: &mut Faults) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = get(container, name);
        if !probe.is_object() {
            continue;
        }
        let at = at.field(name);
        handler(probe, &at, faults);
        for field in [
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ] {
            not_negative(&at.field(field), get(probe, field), faults);
        }
        let successes = get(probe, "successThreshold");
        if name != "readinessProbe" && successes.as_i64().is_some_and(|count| count != 1) {
            faults.invalid(&at.field("successThreshold"), successes, "must be 1");
        }
    }
    for name in ["postStart", "preStop"] {
        let hook = get(get(container, "lifecycle"), name);
        if hook.is_object() {
            let at = at.field("lifecycle");
            handler(hook, &at.field(name), faults);
        }
    }
}

/// Exactly one way to ask.
fn handler(handler: &Value, at: &Path<'_>, faults: &mut Faults) {
    let ways = ["exec", "grpc", "httpGet", "sleep", "tcpSocket"];
    let mut found = ways.iter().filter(|way| get(handler, way).is_object());
    let Some(way) = found.next() else {
        faults.required(at, "must specify a handler type");
        return;
    };
    for other in found {
        faults.forbidden(&at.field(other), "may not specify more than 1 handler type");
    }
    let action = get(handler, way);
    let at = at.field(way);
    match *way {
        "exec" if items(action, "command").is_empty() => faults.required(&at.field("command"), ""),
        "httpGet" => {
            if text(action, "path").is_empty() {
                faults.required(&at.field("path"), "");
            }
            port(get(action, "port"), &at.field("port"), faults);
            super::one_of(
                &at.field("scheme"),
                text(action, "scheme"),
                &["HTTP", "HTTPS"],
                faults,
            );
        }
        "tcpSocket" | "grpc" => port(get(action, "port"), &at.field("port"), faults),
        _ => {}
    }
}

/// A port by number, or by the name that a container gives it.
fn port(port: &Value, at: &Path<'_>, faults: &mut Faults) {
    match port {
        Value::String(name) => faults.invalid_text(at, name, &port_name(name)),
        number
            if number
                .as_i64()
                .is_some_and(|number| (1..=65_535).contains(&number)) => {}
        number => faults.invalid(
            at,
            &Value::from(number.as_i64().unwrap_or_default()),
            PORT_RULE,
        ),
    }
}

/// The name of a port (`IsValidPortName`, after RFC 6335).
pub(super) fn port_name(name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if name.len() > 15 {
        faults.push("must be no more than 15 characters".to_owned());
    }
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        faults.push(
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned(),
        );
    }
    if !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        faults.push("must contain at least one letter (a-z)".to_owned());
    }
    if name.contains("--") {
        faults.push("must not contain consecutive hyphens".to_owned());
    }
    if name.starts_with('-') || name.ends_with('-') {
        faults.push("must not begin or end with a hyphen".to_owned());
    }
    faults
}
