//! The names of identities, both ways.

use transport::identity::IdentityError;
use transport::{Component, Identity};

#[track_caller]
fn check(name: &str, expect: Result<&str, &str>) {
    match (Identity::from_dns_name(name), expect) {
        (Ok(identity), Ok(display)) => {
            assert_eq!(identity.to_string(), display);
            assert_eq!(
                identity.dns_name(),
                name,
                "the name is written as it was read"
            );
        }
        (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{error}"),
        (found, _) => panic!("{name}: {found:?}"),
    }
}

#[test]
fn names_are_read() {
    check("apiserver.plimsoll.internal", Ok("apiserver"));
    check("store.plimsoll.internal", Ok("store"));
    check("node-1.kubelet.plimsoll.internal", Ok("kubelet of node-1"));
    check(
        "a.b.example.com.kubelet.plimsoll.internal",
        Ok("kubelet of a.b.example.com"),
    );
    check(
        "apiserver.kubelet.plimsoll.internal",
        Ok("kubelet of apiserver"),
    );
    check(
        "kubelet.plimsoll.internal",
        Err("an identity of kubelet names its node"),
    );
    check(
        "node-1.apiserver.plimsoll.internal",
        Err("an identity of apiserver has no node"),
    );
    check(
        "proxy.plimsoll.internal",
        Err("no component is called \"proxy\""),
    );
    check(
        "plimsoll.internal",
        Err("does not end in .plimsoll.internal"),
    );
    check(
        "apiserver.plimsoll.internal.example.com",
        Err("does not end in .plimsoll.internal"),
    );
    check(
        "evilplimsoll.internal",
        Err("does not end in .plimsoll.internal"),
    );
    check(".kubelet.plimsoll.internal", Err("cannot be certified"));
    check("Node.kubelet.plimsoll.internal", Err("cannot be certified"));
}

#[test]
fn node_names_are_dns_subdomains() {
    let label = "a".repeat(63);
    for good in [
        "n",
        "node-1",
        "10.0.0.1",
        "a.b",
        &label,
        &[&label[..], &label, &label, "abcdefghijklmnopqrstuvwxyz"].join("."),
    ] {
        Identity::kubelet(good).unwrap();
    }
    let long = [label.clone(), label.clone(), label.clone(), label.clone()].join(".");
    for bad in [
        "",
        ".",
        "a..b",
        "-a",
        "a-",
        "a_b",
        "A",
        "é",
        "a b",
        &"a".repeat(64),
        &long,
    ] {
        assert_eq!(
            Identity::kubelet(bad),
            Err(IdentityError::NodeName(bad.to_owned()))
        );
    }
}

#[test]
fn components_are_read_as_they_are_written() {
    for component in Component::ALL {
        assert_eq!(component.to_string().parse(), Ok(component));
    }
    assert_eq!(
        "etcd".parse::<Component>(),
        Err(IdentityError::Component("etcd".to_owned()))
    );
}
