//! Images that are damaged or mean harm.

use std::fs;

use runtime::{Error, Runtime};
use serde_json::json;
use tar::EntryType;

use crate::image_files::{ECHO, Entry, file, layer, oci_layout};
use crate::node::Node;

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn hostile_layers_are_refused_and_touch_nothing_outside() {
    let node = Node::open().await;
    let outside = node.directory.path().join("outside");
    fs::create_dir(&outside).expect("outside");
    let target = outside.to_string_lossy().into_owned();
    let climbing = format!("{}{target}/up", "../".repeat(20));
    let through_link = "door/through";
    let absolute = format!("{target}/absolute");
    let cases: [(&str, Vec<Entry<'_>>, &str); 7] = [
        ("climbs", vec![file("../climb", b"x")], "leads out"),
        ("climbs far", vec![file(&climbing, b"x")], "leads out"),
        (
            "device",
            vec![(EntryType::Char, "dev", 0o666, b"")],
            "a device is refused",
        ),
        (
            "block",
            vec![(EntryType::Block, "disk", 0o666, b"")],
            "a device is refused",
        ),
        (
            "hard link out",
            vec![(EntryType::Link, "shadow", 0o600, b"../../../../etc/shadow")],
            "leads out",
        ),
        (
            "hard link to nothing",
            vec![(EntryType::Link, "x", 0o600, b"/etc/shadow")],
            "hard link",
        ),
        (
            "link loop",
            vec![(EntryType::Symlink, "a", 0o777, b"a"), file("a/b", b"x")],
            "a/b",
        ),
    ];
    for (what, entries, why) in cases {
        let path = node.directory.path().join("hostile.tar");
        oci_layout(&path, "hostile:1", &json!({}), &[layer(&entries)], |_| {});
        let refused = node
            .runtime
            .import_image(&path)
            .await
            .expect_err(what)
            .to_string();
        assert!(refused.contains(why), "{what}: {refused}");
    }
    // Links that lead out are kept as they are and lead nowhere on the host.
    let path = node.directory.path().join("links.tar");
    let entries = [
        (EntryType::Symlink, "door", 0o777, target.as_bytes()),
        file(through_link, b"x"),
        file(&absolute, b"x"),
    ];
    oci_layout(&path, "links:1", &json!({}), &[layer(&entries)], |_| {});
    node.runtime.import_image(&path).await.expect("harmless");
    assert_eq!(
        fs::read_dir(&outside).expect("outside").count(),
        0,
        "something was written outside"
    );
    assert!(
        node.runtime
            .image_status("hostile:1")
            .await
            .expect("status")
            .is_none()
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn files_that_are_no_image_are_refused_with_the_part() {
    let node = Node::open().await;
    let path = node.directory.path().join("bad.tar");
    let good = layer(&[file("echo", ECHO)]);
    let import = async |why: &str| {
        let refused = node.runtime.import_image(&path).await.expect_err(why);
        assert!(matches!(refused, Error::Image { .. }), "{refused:?}");
        assert!(refused.to_string().contains(why), "{refused}");
    };
    oci_layout(
        &path,
        "bad:1",
        &json!({}),
        std::slice::from_ref(&good),
        |blob| {
            // The manifest: the only blob that is JSON and names a schema.
            if blob.starts_with(b"{") && String::from_utf8_lossy(blob).contains("schemaVersion") {
                blob.push(b' ');
            }
        },
    );
    import("has the digest").await;
    oci_layout(
        &path,
        "bad:1",
        &json!({}),
        &[vec![], good.clone()],
        |blob| {
            if blob.len() > 100_000 {
                blob[600] ^= 1;
            }
        },
    );
    import("its digest is").await;
    oci_layout(
        &path,
        "only-a-tag",
        &json!({}),
        std::slice::from_ref(&good),
        |_| {},
    );
    import("is only a tag").await;
    oci_layout(
        &path,
        "BAD name:1",
        &json!({}),
        std::slice::from_ref(&good),
        |_| {},
    );
    import("BAD name:1").await;
    oci_layout(
        &path,
        "bad:1",
        &json!({"StopSignal": "SIGNOTHING"}),
        &[good],
        |_| {},
    );
    import("is not a signal").await;
    fs::write(&path, layer(&[file("something", b"else")])).expect("write");
    import("neither an OCI layout").await;
    fs::write(&path, b"").expect("write");
    import("not a tar").await;
    fs::write(&path, [7u8; 4096]).expect("write");
    import("not a tar").await;
    node.close().await;
}
