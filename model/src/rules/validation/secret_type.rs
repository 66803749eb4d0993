//! What a Secret of a type that Kubernetes knows must hold (`ValidateSecret` of `pkg/apis/core/validation`).

use serde_json::Value;

use super::field::{Faults, Path};
use super::json::{get, text};

/// The annotation that names whose token a Secret holds.
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
/// What stands for data in an error: it is nobody's business.
const REDACTED: &str = "<secret contents redacted>";

/// Checks the data of a Secret, at `path`, against its type.
pub(super) fn needs(secret: &Value, path: &Path<'_>, faults: &mut Faults) {
    let data = get(secret, "data");
    let mut required = |key: &str| faults.required(&path.key(key), "");
    match text(secret, "type") {
        "kubernetes.io/service-account-token" => {
            let annotations = get(get(secret, "metadata"), "annotations");
            if text(annotations, ACCOUNT_NAME).is_empty() {
                let root = Path::Root;
                let at = root.field("metadata");
                faults.required(&at.field("annotations").key(ACCOUNT_NAME), "");
            }
        }
        "kubernetes.io/dockercfg" => json(data, ".dockercfg", path, faults),
        "kubernetes.io/dockerconfigjson" => json(data, ".dockerconfigjson", path, faults),
        "kubernetes.io/basic-auth" => {
            let either = ["username", "password"];
            if either.iter().all(|key| data.get(key).is_none()) {
                either.into_iter().for_each(required);
            }
        }
        "kubernetes.io/ssh-auth" if text(data, "ssh-privatekey").is_empty() => {
            required("ssh-privatekey");
        }
        "kubernetes.io/tls" => ["tls.crt", "tls.key"]
            .into_iter()
            .filter(|key| data.get(key).is_none())
            .for_each(required),
        _ => {}
    }
}

/// Checks that a key of the data holds a JSON object.
fn json(data: &Value, key: &str, path: &Path<'_>, faults: &mut Faults) {
    let at = path.key(key);
    let Some(held) = data.get(key).and_then(Value::as_str) else {
        return faults.required(&at, "");
    };
    // In words that repeat nothing of it.
    let fault = match serde_json::from_slice::<Value>(&bytes(held)) {
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(_) => "is JSON, but no object".to_owned(),
        Err(error) => error.to_string(),
    };
    faults.invalid(&at, &Value::from(REDACTED), &fault);
}

/// The bytes that base64 stands for (RFC 4648, section 4). The schema has let nothing else through; what is no
/// character of base64 is passed over.
fn bytes(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter_map(|byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let (mut bytes, mut held, mut bits) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0);
    for digit in digits {
        held = held << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes
}
