//! What a container sees of the machine: nothing that is not its own.

use std::collections::BTreeMap;
use std::fs;

use runtime::Runtime;
use runtime::cri::{ContainerConfig, DnsConfig, Mount, SecurityContext};

use crate::node::{Node, echo_config, words};

/// containerd's default capabilities as the kernel's bits.
const DEFAULT_CAPABILITIES: &str = "00000000a80425fb";

fn links(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        line.split_once(':')
            .map(|(kind, id)| (kind.to_owned(), id.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn namespaces_are_the_pods_own_and_shared_where_they_should_be() {
    let node = Node::open().await;
    let (one, two) = (node.pod("one").await, node.pod("two").await);
    let mut seen = Vec::new();
    for (pod, name) in [(&one, "a"), (&one, "b"), (&two, "a")] {
        // All at once: a namespace's number is used again when it is gone.
        let id = node.echo(&pod.id, name, &["sleep", "1000"]).await;
        seen.push(links(
            &node.exec(&id, &["/echo", "namespaces"]).await.stdout,
        ));
    }
    let host = |kind: &str| {
        let link = fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace");
        link.to_string_lossy()
            .trim_start_matches(kind)
            .trim_start_matches(':')
            .to_owned()
    };
    for kind in ["mnt", "pid", "net", "uts", "ipc"] {
        let (a, b, other) = (&seen[0][kind], &seen[1][kind], &seen[2][kind]);
        assert!(
            ![a, b, other].contains(&&host(kind)),
            "{kind} is the host's"
        );
        assert_ne!(a, other, "{kind} is shared by two pods");
        let shared = matches!(kind, "net" | "uts" | "ipc");
        assert_eq!(a == b, shared, "{kind} within a pod");
    }
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn the_file_system_is_the_images_and_the_hosts_is_out_of_sight() {
    let node = Node::open().await;
    let secret = node.directory.path().join("secret");
    fs::write(&secret, "of the host").expect("write");
    let pod = node.pod("files").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    let root = node.exec(&id, &["/echo", "ls", "/"]).await;
    assert_eq!(root.stdout, "dev\necho\netc\nproc\nsys\ntmp\n");
    assert_eq!(
        node.exec(&id, &["/echo", "cat", &secret.to_string_lossy()])
            .await
            .code,
        2
    );
    let devices = node.exec(&id, &["/echo", "ls", "/dev"]).await.stdout;
    let expected = "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    assert_eq!(devices, expected);
    // The shim's descriptors do not leak: three streams, and the directory being read.
    assert_eq!(
        node.exec(&id, &["/echo", "ls", "/proc/self/fd"])
            .await
            .stdout,
        "0\n1\n2\n3\n"
    );
    let mounts = node.exec(&id, &["/echo", "cat", "/proc/self/mounts"]).await;
    let roots = ["/proc", "/dev", "/sys", "/etc"];
    for line in mounts.stdout.lines() {
        let point = line.split(' ').nth(1).expect("a mount point");
        let own = point == "/" || roots.iter().any(|root| point.starts_with(root));
        assert!(own, "a mount of the host shows: {line}");
    }
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn kernel_paths_are_masked_and_read_only() {
    let node = Node::open().await;
    let pod = node.pod("masked").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    for path in ["/proc/kcore", "/proc/keys", "/proc/timer_list"] {
        let seen = node.exec(&id, &["/echo", "cat", path]).await;
        assert_eq!(seen.stdout, "", "{path} shows something");
    }
    for path in [
        "/proc/sys/kernel/panic",
        "/proc/sysrq-trigger",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ] {
        let written = node.exec(&id, &["/echo", "write", path, "0"]).await;
        assert_eq!(written.code, 2, "{path} can be written");
    }
    let privileged = ContainerConfig {
        security: SecurityContext {
            privileged: true,
            ..Default::default()
        },
        ..echo_config("privileged", &["cat", "/proc/timer_list"])
    };
    let (_, seen) = node.run(&pod.id, &privileged).await;
    assert!(
        !seen.is_empty(),
        "a privileged container has nothing masked"
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn the_process_has_the_user_rights_and_signals_it_should() {
    let node = Node::open().await;
    let pod = node.pod("rights").await;
    let ids = async |name: &str, security: SecurityContext| {
        let config = ContainerConfig {
            security,
            ..echo_config(name, &["id"])
        };
        let (_, text) = node.run(&pod.id, &config).await;
        links(&text)
            .into_iter()
            .map(|(key, value)| (key, value.trim().to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let plain = ids("plain", SecurityContext::default()).await;
    assert_eq!(plain["Uid"], "0\t0\t0\t0");
    assert_eq!(plain["Pid"], "1");
    assert_eq!(
        (&*plain["CapEff"], &*plain["CapBnd"]),
        (DEFAULT_CAPABILITIES, DEFAULT_CAPABILITIES)
    );
    // Of the signals it starts with, Rust's own runtime has ignored SIGPIPE; glibc keeps 32 and 33 to itself.
    let ignored = u64::from_str_radix(&plain["SigIgn"], 16).expect("a mask") & 0x7fff_ffff;
    assert_eq!((&*plain["SigBlk"], ignored), ("0000000000000000", 1 << 12));
    assert_eq!(plain["NoNewPrivs"], "0");

    let user = SecurityContext {
        run_as_user: Some(1000),
        run_as_group: Some(1001),
        supplemental_groups: vec![7, 8],
        no_new_privs: true,
        ..Default::default()
    };
    let user = ids("user", user).await;
    assert_eq!(
        (&*user["Uid"], &*user["Gid"]),
        ("1000\t1000\t1000\t1000", "1001\t1001\t1001\t1001")
    );
    assert_eq!((&*user["Groups"], &*user["NoNewPrivs"]), ("7 8", "1"));
    assert_eq!(user["CapEff"], "0000000000000000");

    let dropped = SecurityContext {
        drop_capabilities: words(&["ALL"]),
        add_capabilities: words(&["NET_BIND_SERVICE"]),
        ..Default::default()
    };
    assert_eq!(ids("dropped", dropped).await["CapEff"], "0000000000000400");
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_pod_has_its_name_its_hosts_and_its_resolver() {
    let node = Node::open().await;
    let mut config = node.pod_config("named");
    config.dns = Some(DnsConfig {
        servers: words(&["10.96.0.10"]),
        searches: words(&["default.svc.cluster.local"]),
        options: words(&["ndots:5"]),
    });
    let pod = node
        .runtime
        .run_pod_sandbox(&config)
        .await
        .expect("a sandbox");
    let id = node.echo(&pod.id, "main", &[]).await;
    let cat = async |path: &str| node.exec(&id, &["/echo", "cat", path]).await.stdout;
    assert_eq!(cat("/etc/hostname").await, "named\n");
    assert_eq!(cat("/proc/sys/kernel/hostname").await, "named\n");
    assert!(
        cat("/etc/hosts")
            .await
            .contains(&format!("{}\tnamed\n", pod.ips[0]))
    );
    let resolver = "search default.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";
    assert_eq!(cat("/etc/resolv.conf").await, resolver);
    let environment = node.exec(&id, &["/echo", "env"]).await.stdout;
    assert!(
        environment.contains("HOSTNAME=named\n") && environment.contains("PATH=/\n"),
        "{environment}"
    );
    assert!(
        !environment.contains("CARGO"),
        "the node's environment leaks: {environment}"
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn volumes_and_shared_memory_are_shared_as_asked() {
    let node = Node::open().await;
    let pod = node.pod("volumes").await;
    let volume = node.directory.path().join("volume");
    fs::create_dir(&volume).expect("a volume");
    let mount = |path: &str, readonly| Mount {
        host_path: volume.clone(),
        container_path: path.into(),
        readonly,
    };
    let writer = ContainerConfig {
        mounts: vec![mount("/data", false)],
        ..echo_config("writer", &[])
    };
    let reader = ContainerConfig {
        mounts: vec![mount("/in/side", true)],
        ..echo_config("reader", &["sleep", "1000"])
    };
    let (writer, reader) = (
        node.start(&pod.id, &writer).await,
        node.start(&pod.id, &reader).await,
    );
    assert_eq!(
        node.exec(&writer, &["/echo", "write", "/data/file", "text"])
            .await
            .code,
        0
    );
    assert_eq!(
        node.exec(&reader, &["/echo", "cat", "/in/side/file"])
            .await
            .stdout,
        "text"
    );
    assert_eq!(
        fs::read_to_string(volume.join("file")).expect("the file"),
        "text"
    );
    assert_eq!(
        node.exec(&reader, &["/echo", "write", "/in/side/file", "x"])
            .await
            .code,
        2,
        "it is read-only"
    );

    assert_eq!(
        node.exec(&writer, &["/echo", "write", "/dev/shm/x", "shared"])
            .await
            .code,
        0
    );
    assert_eq!(
        node.exec(&reader, &["/echo", "cat", "/dev/shm/x"])
            .await
            .stdout,
        "shared"
    );
    // What one writes into its root file system the other does not see.
    assert_eq!(
        node.exec(&writer, &["/echo", "write", "/tmp/own", "x"])
            .await
            .code,
        0
    );
    assert_eq!(
        node.exec(&reader, &["/echo", "cat", "/tmp/own"]).await.code,
        2
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_read_only_root_refuses_writes_and_the_image_stays_as_it_is() {
    let node = Node::open().await;
    let pod = node.pod("readonly").await;
    let security = SecurityContext {
        readonly_rootfs: true,
        ..Default::default()
    };
    let config = ContainerConfig {
        security,
        ..echo_config("main", &["write", "/tmp/x", "y"])
    };
    assert_eq!(node.run(&pod.id, &config).await.0.exit_code, 2);
    let (status, _) = node
        .run(&pod.id, &echo_config("writes", &["write", "/echo", "gone"]))
        .await;
    assert_eq!(
        status.exit_code, 2,
        "a running program is busy, in its own copy too"
    );
    let (status, _) = node
        .run(&pod.id, &echo_config("again", &["exit", "0"]))
        .await;
    assert_eq!(status.exit_code, 0);
    node.close().await;
}
