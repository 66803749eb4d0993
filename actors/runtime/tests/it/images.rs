//! Images: import, and what containers get of them.

use std::fs;

use runtime::cri::ContainerConfig;
use runtime::{Error, Runtime};
use serde_json::json;
use tar::EntryType;

use crate::image_files::{ECHO, digest, file, gzip, layer, oci_layout};
use crate::node::{Node, echo_config};

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn an_oci_layout_is_imported_and_run_as_its_configuration_says() {
    let node = Node::open().await;
    let base = layer(&[
        (EntryType::Directory, "etc/", 0o755, b""),
        file("etc/passwd", b"root:x:0:0::/:\napp:x:1234:1235::/home:\n"),
        file(
            "etc/group",
            b"own:x:1235:\nextra:x:900:app\nother:x:901:root\n",
        ),
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
    let groups = |id: &str| {
        let line = id.lines().find_map(|line| line.strip_prefix("Groups:"));
        line.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(groups(&id), "900");
    let mut asked = app("asked", &["id"]);
    asked.security.supplemental_groups = vec![800, 900, 1235];
    let (_, id) = node.run(&pod.id, &asked).await;
    assert_eq!(
        groups(&id),
        "800 900",
        "what the pod asks for joins the image's"
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
async fn where_overlayfs_cannot_mount_layers_are_copied() {
    // A comma in a path cannot be told to overlayfs.
    let node = Node::open_in("with,comma").await;
    let base = layer(&[
        (EntryType::Directory, "dir/", 0o750, b""),
        file("dir/deleted", b"x"),
        file("dir/kept", b"below"),
        (EntryType::Directory, "opaque/", 0o755, b""),
        file("opaque/below", b"x"),
    ]);
    let top = layer(&[
        file("echo", ECHO),
        (EntryType::Symlink, "link", 0o777, b"/dir/kept"),
        file("dir/.wh.deleted", b""),
        (EntryType::Directory, "opaque/", 0o755, b""),
        file("opaque/.wh..wh..opq", b""),
        file("opaque/above", b"x"),
    ]);
    let path = node.directory.path().join("image.tar");
    oci_layout(
        &path,
        "copied:1",
        &json!({"Entrypoint": ["/echo"]}),
        &[base, top],
        |_| {},
    );
    node.runtime.import_image(&path).await.expect("import");
    let pod = node.pod("copied").await;
    let config = ContainerConfig {
        image: "copied:1".to_owned(),
        ..echo_config("main", &[])
    };
    let id = node.start(&pod.id, &config).await;
    let mounts = node
        .exec(&id, &["/echo", "cat", "/proc/self/mounts"])
        .await
        .stdout;
    assert!(!mounts.contains("overlay"), "{mounts}");
    for (command, path, expected) in [
        ("ls", "/dir", "kept\n"),
        ("cat", "/link", "below"),
        ("ls", "/opaque", "above\n"),
    ] {
        assert_eq!(
            node.exec(&id, &["/echo", command, path]).await.stdout,
            expected,
            "{command} {path}"
        );
    }
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_hard_link_may_lead_to_a_layer_below() {
    let node = Node::open().await;
    let path = node.directory.path().join("image.tar");
    let import = async |name: &str, layers: &[Vec<u8>]| {
        oci_layout(
            &path,
            name,
            &json!({"Entrypoint": ["/program"]}),
            layers,
            |_| {},
        );
        node.runtime.import_image(&path).await.map(drop)
    };
    let base = |word: &str| {
        layer(&[
            file("bin/echo", ECHO),
            (EntryType::Regular, "word", 0o640, word.as_bytes()),
            file("gone", b"x"),
            (EntryType::Symlink, "link", 0o777, b"/etc/shadow"),
        ])
    };
    let middle = layer(&[file(".wh.gone", b"")]);
    let top = layer(&[
        (EntryType::Link, "program", 0o755, b"bin/echo"),
        (EntryType::Link, "copy", 0o600, b"/word"),
        (EntryType::Link, "again", 0o600, b"copy"),
    ]);
    // One layer above two others: what it links to is theirs.
    let pod = node.pod("linked").await;
    for word in ["one", "two"] {
        let name = format!("linked:{word}");
        for _ in 0..2 {
            let layers = [base(word), middle.clone(), top.clone()];
            import(&name, &layers).await.expect("import");
        }
        let app = |container: &str, args: &[&str]| ContainerConfig {
            image: name.clone(),
            ..echo_config(container, args)
        };
        for (number, file) in ["/copy", "/again", "/word"].into_iter().enumerate() {
            let config = app(&format!("{word}-{number}"), &["cat", file]);
            let (_, seen) = node.run(&pod.id, &config).await;
            assert_eq!(seen, format!("{word}\n"), "{file}");
        }
    }
    for (target, what) in [
        ("gone", "deleted"),
        ("link", "a link"),
        ("bin", "a directory"),
    ] {
        let bad = layer(&[(EntryType::Link, "hl", 0o600, target.as_bytes())]);
        let refused = import("bad:1", &[base("bad"), middle.clone(), bad]).await;
        let refused = refused.expect_err(what).to_string();
        let why =
            format!("a hard link to \"{target}\": no such file in this layer or in one below");
        assert!(refused.contains(&why), "{what}: {refused}");
    }
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
