//! Protobuf bodies, as `kubectl create` sends them.

use apiserver::schema::protobuf::{ProtobufError, reads, to_json};
use model::objects::kinds::{Kind, find_kind};
use serde_json::json;

fn kind(name: &str) -> &'static Kind {
    find_kind("", name).expect("a kind")
}

/// A field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2, bytes.len() as u8];
    field.extend(bytes);
    field
}

fn body(kind: &str, object: &[u8]) -> Vec<u8> {
    let type_meta = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
    let empty = [field(3, b""), field(4, b"")].concat();
    [
        b"k8s\0".to_vec(),
        field(1, &type_meta),
        field(2, object),
        empty,
    ]
    .concat()
}

#[test]
fn a_namespace() {
    let time = field(8, &[]);
    let metadata = [
        field(1, b"a"),
        field(2, b""),
        field(3, b""),
        vec![7 << 3, 0],
        time,
    ]
    .concat();
    let object = [field(1, &metadata), field(2, b""), field(3, &field(1, b""))].concat();
    assert_eq!(
        to_json(kind("Namespace"), &body("Namespace", &object)),
        Ok(
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "a" }, "spec": {}, "status": {} })
        )
    );
}

#[test]
fn a_secret() {
    let label = [field(1, b"k"), field(2, b"v")].concat();
    let metadata = [
        field(1, b"a"),
        field(11, &label),
        field(14, b"x/y"),
        field(8, &[8, 60]),
    ]
    .concat();
    let data = [field(1, b"password"), field(2, b"\xff\x00")].concat();
    let object = [
        field(1, &metadata),
        field(2, &data),
        field(3, b"Opaque"),
        vec![5 << 3, 1],
    ]
    .concat();
    assert_eq!(
        to_json(kind("Secret"), &body("Secret", &object)),
        Ok(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true, "data": { "password": "/wA=" },
            "metadata": {
                "name": "a", "labels": { "k": "v" }, "finalizers": ["x/y"],
                "creationTimestamp": "1970-01-01T00:01:00Z",
            },
        }))
    );
}

#[test]
fn what_is_no_object() {
    let namespace = kind("Namespace");
    let whole = body("Namespace", &field(1, &field(1, b"a")));
    assert_eq!(to_json(namespace, b"{}"), Err(ProtobufError::Prefix));
    assert_eq!(
        to_json(namespace, &whole[..whole.len() - 1]),
        Err(ProtobufError::Malformed)
    );
    assert_eq!(
        to_json(namespace, &body("Namespace", &field(1, &field(1, b"\xff")))),
        Err(ProtobufError::Utf8)
    );
    // A number where a message is due, a length beyond the end, a number without end.
    for object in [&[1 << 3, 1][..], &[1 << 3 | 2, 200, 1], &[0xff; 12]] {
        assert_eq!(
            to_json(namespace, &body("Namespace", object)),
            Err(ProtobufError::Malformed)
        );
    }
    for end in 0..whole.len() {
        // Whatever is cut off, the answer is an object or an error.
        let _ = to_json(namespace, &whole[..end]);
    }
    assert!(!reads(kind("Pod")));
}
