//! Images: import, what containers get of them, what is refused.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use runtime::cri::ContainerConfig;
use runtime::{Error, Runtime};
use serde_json::{Value, json};
use tar::{EntryType, Header};

use crate::node::{Node, echo_config};

const ECHO: &[u8] = include_bytes!(env!("PLIMSOLL_ECHO"));

/// One entry of a layer: type, name as raw bytes, mode, link or contents.
type Entry<'a> = (EntryType, &'a str, u32, &'a [u8]);

fn file<'a>(name: &'a str, contents: &'a [u8]) -> Entry<'a> {
    (EntryType::Regular, name, 0o755, contents)
}

/// A tar written by hand: the library refuses to write what a hostile tar holds.
fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, name, mode, data) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        if is_link {
            header.as_mut_bytes()[157..157 + data.len()].copy_from_slice(data);
        }
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).expect("major");
            header.set_device_minor(3).expect("minor");
        }
        let contents: &[u8] = if *kind == EntryType::Regular {
            data
        } else {
            b""
        };
        header.set_size(contents.len() as u64);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(contents);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    tar
}

fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("compress");
    encoder.finish().expect("compress")
}

/// An OCI layout of one image in a tar file.
fn oci_layout(
    path: &Path,
    name: &str,
    config: &Value,
    layers: &[Vec<u8>],
    change: impl Fn(&mut Vec<u8>),
) -> PathBuf {
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let image = json!({"architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    .to_string()
    .into_bytes();
    let mut blobs: Vec<Vec<u8>> = vec![image.clone()];
    let mut described = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        // Plain and compressed ones both.
        let packed = number % 2 == 0;
        let blob = if packed { gzip(layer) } else { layer.clone() };
        let kind = format!(
            "application/vnd.oci.image.layer.v1.tar{}",
            if packed { "+gzip" } else { "" }
        );
        described.push(json!({"mediaType": kind, "digest": digest(&blob), "size": blob.len()}));
        blobs.push(blob);
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&image), "size": image.len()},
        "layers": described})
    .to_string()
    .into_bytes();
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(&manifest), "size": manifest.len(),
        "annotations": {"org.opencontainers.image.ref.name": name}}]})
    .to_string();
    blobs.push(manifest);
    let names: Vec<String> = blobs
        .iter()
        .map(|blob| format!("blobs/sha256/{}", &digest(blob)["sha256:".len()..]))
        .collect();
    for blob in &mut blobs {
        change(blob);
    }
    let mut entries = vec![
        file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        file("index.json", index.as_bytes()),
    ];
    entries.extend(
        names
            .iter()
            .zip(&blobs)
            .map(|(name, blob)| file(name, blob)),
    );
    fs::write(path, layer(&entries)).expect("write");
    path.to_owned()
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn an_oci_layout_is_imported_and_run_as_its_configuration_says() {
    let node = Node::open().await;
    let base = layer(&[
        (EntryType::Directory, "etc/", 0o755, b""),
        file("etc/passwd", b"root:x:0:0::/:\napp:x:1234:1235::/home:\n"),
        file("etc/motd", b"below"),
        (EntryType::Directory, "gone/", 0o755, b""),
        file("gone/below", b"x"),
        (EntryType::Directory, "opaque/", 0o755, b""),
        file("opaque/below", b"x"),
        file("deleted", b"x"),
    ]);
    let top = layer(&[
        file("echo", ECHO),
        (EntryType::Link, "linked", 0o755, b"echo"),
        (EntryType::Symlink, "absolute", 0o777, b"/etc/motd"),
        file("etc/motd", b"above"),
        file(".wh.deleted", b""),
        (EntryType::Directory, "opaque/", 0o755, b""),
        file("opaque/.wh..wh..opq", b""),
        file("opaque/above", b"x"),
        (EntryType::Directory, "work/", 0o755, b""),
    ]);
    let config = json!({"User": "app", "Env": ["GREETING=hello", "PATH=/"], "Entrypoint": ["/linked"],
        "Cmd": ["env"], "WorkingDir": "/work", "StopSignal": "SIGQUIT"});
    let path = node.directory.path().join("image.tar");
    oci_layout(
        &path,
        "example.com/team/app:v1",
        &config,
        &[base, top],
        |_| {},
    );
    let imported = node.runtime.import_image(&path).await.expect("import");
    assert_eq!(imported[0].repo_tags, ["example.com/team/app:v1"]);
    assert_eq!(imported[0].username, "app");
    let again = node
        .runtime
        .import_image(&path)
        .await
        .expect("a second import changes nothing");
    assert_eq!(again[0].id, imported[0].id);
    for name in [
        "example.com/team/app:v1",
        &imported[0].id,
        &imported[0].repo_digests[0],
    ] {
        assert!(
            node.runtime
                .image_status(name)
                .await
                .expect("status")
                .is_some(),
            "{name}"
        );
    }
    let listed: Vec<_> = node
        .runtime
        .list_images()
        .await
        .expect("list")
        .into_iter()
        .flat_map(|i| i.repo_tags)
        .collect();
    assert!(
        listed.contains(&"docker.io/plimsoll/echo:latest".to_owned()) && listed.len() == 2,
        "{listed:?}"
    );

    let pod = node.pod("app").await;
    let app = |name: &str, args: &[&str]| ContainerConfig {
        image: "example.com/team/app:v1".to_owned(),
        ..echo_config(name, args)
    };
    let (_, environment) = node.run(&pod.id, &app("env", &[])).await;
    assert!(
        environment.contains("GREETING=hello\n") && environment.contains("HOME=/home\n"),
        "{environment}"
    );
    let (_, id) = node.run(&pod.id, &app("id", &["id"])).await;
    assert!(
        id.contains("Uid:\t1234\t") && id.contains("Gid:\t1235\t"),
        "{id}"
    );
    let looks = [
        ("cat", "/absolute", "above\n"),
        ("ls", "/opaque", "above\n"),
        ("ls", "/gone", "below\n"),
        ("ls", "/proc/self/cwd", ""),
    ];
    for (number, (command, path, expected)) in looks.into_iter().enumerate() {
        let (_, seen) = node
            .run(&pod.id, &app(&format!("look-{number}"), &[command, path]))
            .await;
        assert_eq!(seen, expected, "{command} {path}");
    }
    assert_eq!(
        node.run(&pod.id, &app("deleted", &["cat", "/deleted"]))
            .await
            .0
            .exit_code,
        2
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn what_docker_save_writes_is_imported_and_tags_move() {
    let node = Node::open().await;
    let path = node.directory.path().join("saved.tar.gz");
    let mut ids = Vec::new();
    for version in ["one", "two"] {
        let only = layer(&[file("echo", ECHO), file("version", version.as_bytes())]);
        let image =
            json!({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/echo"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(&only)]}})
            .to_string();
        let manifest =
            json!([{"Config": "c.json", "RepoTags": ["app:dev"], "Layers": ["l/layer.tar"]}])
                .to_string();
        let saved = layer(&[
            file("manifest.json", manifest.as_bytes()),
            file("c.json", image.as_bytes()),
            file("l/layer.tar", &only),
        ]);
        fs::write(&path, gzip(&saved)).expect("write");
        ids.push(
            node.runtime.import_image(&path).await.expect("import")[0]
                .id
                .clone(),
        );
    }
    let current = node
        .runtime
        .image_status("app:dev")
        .await
        .expect("status")
        .expect("the image");
    assert_eq!(current.id, ids[1], "the tag has moved");
    let former = node
        .runtime
        .image_status(&ids[0])
        .await
        .expect("status")
        .expect("the former image");
    assert_eq!(former.repo_tags, Vec::<String>::new());
    node.close().await;
}

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
    oci_layout(&path, "bad:1", &json!({}), &[good.clone()], |blob| {
        // The manifest: the only blob that is JSON and names a schema.
        if blob.starts_with(b"{") && String::from_utf8_lossy(blob).contains("schemaVersion") {
            blob.push(b' ');
        }
    });
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
    oci_layout(&path, "only-a-tag", &json!({}), &[good.clone()], |_| {});
    import("is only a tag").await;
    oci_layout(&path, "BAD name:1", &json!({}), &[good.clone()], |_| {});
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

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn images_that_are_absent_or_have_no_name_are_told_apart() {
    let node = Node::open().await;
    let pulled = node
        .runtime
        .pull_image("plimsoll/echo")
        .await
        .expect("always present");
    assert_eq!(pulled.repo_tags, ["docker.io/plimsoll/echo:latest"]);
    let refused = node
        .runtime
        .pull_image("registry.example/none:1")
        .await
        .expect_err("absent");
    assert_eq!(refused.reason(), "ErrImagePull");
    assert!(
        refused.to_string().contains("plimsoll image import"),
        "{refused}"
    );
    let refused = node
        .runtime
        .pull_image("Not A Name")
        .await
        .expect_err("no name");
    assert_eq!(refused.reason(), "InvalidImageName");
    let pod = node.pod("absent").await;
    let config = ContainerConfig {
        image: "registry.example/none:1".to_owned(),
        ..echo_config("main", &[])
    };
    let refused = node
        .runtime
        .create_container(&pod.id, &config)
        .await
        .expect_err("absent");
    assert!(
        matches!(refused, Error::ImageNotPresent { .. }),
        "{refused:?}"
    );
    node.close().await;
}
