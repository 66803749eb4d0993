//! `plimsoll image`: a file made elsewhere is imported, listed, and a pod runs from it.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cluster::{Cluster, containers};
use crate::kube_rs::{block_on, client, pod, running};

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn append(tar: &mut tar::Builder<impl std::io::Write>, name: &str, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, name, content)
        .expect("a file is appended");
}

/// What `docker save` writes for an image of one layer with one program.
fn saved(folder: &Path, name: &str, program: &[u8]) -> PathBuf {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, "bin/says", 0o755, program);
    append(&mut layer, "etc/motto", 0o644, b"from a file\n");
    let layer = layer.into_inner().expect("a layer");
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/bin/says"], "Cmd": ["cat", "/etc/motto"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]},
    })
    .to_string();
    let manifest =
        json!([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).to_string();
    let path = folder.join("saved.tar");
    let mut tar = tar::Builder::new(File::create(&path).expect("a file"));
    append(&mut tar, "manifest.json", 0o644, manifest.as_bytes());
    append(&mut tar, "config.json", 0o644, config.as_bytes());
    append(&mut tar, "layer.tar", 0o644, &layer);
    tar.finish().expect("written");
    path
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn an_imported_image_runs() {
    let cluster = Cluster::start(&[]);
    let directory = cluster.path().display().to_string();
    let image = |arguments: &[&str]| {
        let output = cluster.plimsoll(&[&["image", "--data-dir", &directory], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    // A program that needs nothing beside it: that of the image which every cluster has.
    let program = block_on(async {
        let pods = kube::Api::default_namespaced(client(&cluster).await?);
        pods.create(&Default::default(), &pod("hello", &[])).await?;
        running(&pods, "hello").await?;
        let (process, _) = containers(&cluster)
            .into_iter()
            .find(|(_, line)| line.trim_end() == "/echo")
            .expect("the container runs");
        Ok(std::fs::read(format!("/proc/{process}/root/echo"))?)
    });

    let file = saved(cluster.path(), "example.test/says:1", &program);
    let file = file.display().to_string();
    let (code, said, why) = image(&["import", &file]);
    assert_eq!(
        (code, said.trim_end()),
        (Some(0), "example.test/says:1"),
        "{why}"
    );
    let (_, table, _) = image(&["ls"]);
    let row = table
        .lines()
        .find(|line| line.starts_with("example.test/says:1 "));
    assert!(row.is_some_and(|row| row.ends_with("MiB")), "{table}");

    block_on(async {
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
            kube::Api::default_namespaced(client(&cluster).await?);
        let imported: Value = json!({
            "metadata": {"name": "imported"},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{
                    "name": "says", "image": "example.test/says:1", "imagePullPolicy": "Never",
                }],
            },
        });
        pods.create(&Default::default(), &serde_json::from_value(imported)?)
            .await?;
        let ended = kube::runtime::wait::await_condition(
            pods.clone(),
            "imported",
            |pod: Option<&k8s_openapi::api::core::v1::Pod>| {
                let status = pod.and_then(|pod| pod.status.as_ref());
                status.is_some_and(|status| status.phase.as_deref() == Some("Succeeded"))
            },
        );
        tokio::time::timeout(crate::cluster::PATIENCE, ended).await??;
        let said = pods.logs("imported", &Default::default()).await?;
        anyhow::ensure!(said == "from a file\n", "{said:?}");
        Ok(())
    });

    // What is no image is refused, and nothing of it stays.
    let torn = cluster.path().join("torn.tar");
    let other = [program.as_slice(), b"another"].concat();
    let whole = saved(cluster.path(), "example.test/torn:1", &other);
    let whole = std::fs::read(whole).expect("it is there");
    std::fs::write(&torn, &whole[..whole.len() / 2]).expect("written");
    let (code, _, why) = image(&["import", &torn.display().to_string()]);
    assert_eq!(code, Some(1), "{why}");
    assert!(why.starts_with("error: "), "{why}");
    assert_eq!(image(&["ls"]).1, table);
    cluster.stop();
}
