//! `v1` Volume.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::{Faults, Path};
use super::json::{get, items, text};
use crate::rules::names;
use crate::rules::quantity::Quantity;

/// Highest mode of a file, in octal 0777.
const MODE_MAX: i64 = 0o777;

/// Checks the volumes of a pod; the names of those that have one.
pub(super) fn volumes<'a>(
    spec: &'a Value,
    path: &Path<'_>,
    faults: &mut Faults,
) -> BTreeSet<&'a str> {
    let mut known = BTreeSet::new();
    for (index, volume) in items(spec, "volumes").iter().enumerate() {
        let at = path.index(index);
        let name = text(volume, "name");
        if name.is_empty() {
            faults.required(&at.field("name"), "");
        } else {
            faults.invalid_text(&at.field("name"), name, &names::dns_label(name));
            if !known.insert(name) {
                faults.duplicate(&at.field("name"), &Value::from(name));
            }
        }
        source(volume, &at, faults);
    }
    known
}

fn source(volume: &Value, at: &Path<'_>, faults: &mut Faults) {
    let sources: Vec<(&String, &Value)> = volume
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(field, _)| *field != "name")
        .collect();
    for (field, _) in sources.iter().skip(1) {
        faults.forbidden(&at.field(field), "may not specify more than 1 volume type");
    }
    let Some((field, source)) = sources.first() else {
        faults.required(at, "must specify a volume type");
        return;
    };
    let at = at.field(field);
    match field.as_str() {
        "emptyDir" => {
            let limit = get(source, "sizeLimit");
            let amount = limit
                .as_str()
                .and_then(|amount| Quantity::parse(amount).ok());
            if amount.is_some_and(|amount| amount.is_negative()) {
                faults.invalid(
                    &at.field("sizeLimit"),
                    limit,
                    "SizeLimit field must be a valid resource quantity",
                );
            }
        }
        "hostPath" => host_path(source, &at, faults),
        "configMap" => {
            if text(source, "name").is_empty() {
                faults.required(&at.field("name"), "");
            }
            files(source, &at, faults);
        }
        "secret" => {
            if text(source, "secretName").is_empty() {
                faults.required(&at.field("secretName"), "");
            }
            files(source, &at, faults);
        }
        "projected" | "downwardAPI" => mode(source, "defaultMode", &at, faults),
        _ => {}
    }
}

fn host_path(source: &Value, at: &Path<'_>, faults: &mut Faults) {
    let path = text(source, "path");
    if path.is_empty() {
        faults.required(&at.field("path"), "");
    }
    no_way_back(&at.field("path"), path, faults);
    let kinds = [
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    super::one_of(&at.field("type"), text(source, "type"), &kinds, faults);
}

/// The keys of a ConfigMap or Secret as files.
fn files(source: &Value, at: &Path<'_>, faults: &mut Faults) {
    mode(source, "defaultMode", at, faults);
    let list = at.field("items");
    for (index, item) in items(source, "items").iter().enumerate() {
        let at = list.index(index);
        if text(item, "key").is_empty() {
            faults.required(&at.field("key"), "");
        }
        match text(item, "path") {
            "" => faults.required(&at.field("path"), ""),
            absolute if absolute.starts_with('/') => {
                faults.invalid(
                    &at.field("path"),
                    &Value::from(absolute),
                    "must be a relative path",
                );
            }
            path => no_way_back(&at.field("path"), path, faults),
        }
        mode(item, "mode", &at, faults);
    }
}

fn mode(source: &Value, field: &str, at: &Path<'_>, faults: &mut Faults) {
    let mode = get(source, field);
    if mode
        .as_i64()
        .is_some_and(|mode| !(0..=MODE_MAX).contains(&mode))
    {
        let detail = "must be a number between 0 and 0777 (octal), both inclusive";
        faults.invalid(&at.field(field), mode, detail);
    }
}

/// A path without `..`.
pub(super) fn no_way_back(at: &Path<'_>, path: &str, faults: &mut Faults) {
    if path.split('/').any(|part| part == "..") {
        faults.invalid(at, &Value::from(path), "must not contain '..'");
    }
}
