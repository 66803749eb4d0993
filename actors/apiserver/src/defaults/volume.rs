//! `v1` Volume.

use serde_json::Map;

use super::{Fields, each, inner, set};

/// 0644, as volumes of single files are made.
const MODE: i64 = 0o644;

/// A volume; one without a source is an empty directory.
pub(super) fn volume(volume: &mut Fields) {
    if volume.keys().all(|key| key == "name") {
        set(volume, "emptyDir", Map::new());
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = inner(volume, source) {
            set(source, "defaultMode", MODE);
            field_refs(source);
        }
    }
    if let Some(path) = inner(volume, "hostPath") {
        set(path, "type", "");
    }
    if let Some(projected) = inner(volume, "projected") {
        for source in each(projected, "sources") {
            if let Some(token) = inner(source, "serviceAccountToken") {
                set(token, "expirationSeconds", 3600);
            }
            if let Some(downward) = inner(source, "downwardAPI") {
                field_refs(downward);
            }
        }
    }
}

fn field_refs(source: &mut Fields) {
    for item in each(source, "items") {
        if let Some(field) = inner(item, "fieldRef") {
            set(field, "apiVersion", "v1");
        }
    }
}
