//! What is said when something is wrong, and with which exit code: 2 for a command line that is not understood, 1 for
//! what could not be done.

use std::net::TcpListener;

use crate::{plimsoll, text};

/// Asserts the exit code and that everything on standard error is one line that holds each of `words`.
#[track_caller]
fn fails(arguments: &[&str], code: i32, words: &[&str]) {
    let output = plimsoll(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    if code == 1 {
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("error: "), "{said}");
    }
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

#[test]
fn what_is_not_understood_exits_with_2() {
    fails(&["up", "--nodse", "3"], 2, &["--nodse", "--nodes"]);
    fails(&["up", "--nodes", "0"], 2, &["0", "1..=254"]);
    fails(&["upp"], 2, &["upp"]);
    fails(&["get"], 2, &["KIND"]);
    fails(
        &["get", "pods", "-A", "-n", "default"],
        2,
        &["--all-namespaces"],
    );
    fails(
        &["up", "--api-address", "6443"],
        2,
        &["6443", "--api-address"],
    );
    for (network, why) in [
        ("127.0.0.0/16", "loopback"),
        ("0.5.0.0/16", "this host"),
        ("169.254.0.0/16", "link-local"),
        ("224.1.0.0/16", "multicast"),
        ("255.255.0.0/16", "reserved"),
    ] {
        fails(&["up", "--pod-network-cidr", network], 2, &[network, why]);
    }
    for (ttl, why) in [
        ("1", "with units"),
        ("soon", "with units"),
        ("-1s", "negative"),
        ("0s", "a second at least"),
        ("1.5s", "whole seconds"),
        ("8761h", "a year at most, that is 8760h0m0s"),
        ("9999999h", "at most 2562047h47m16s"),
    ] {
        for verb in [["up"].as_slice(), &["run", "apiserver"]] {
            let given = [verb, &["--event-ttl", ttl]].concat();
            fails(&given, 2, &[ttl, "--event-ttl", why]);
        }
    }
    let same = "127.0.0.1:7443";
    let both = ["up", "--api-address", same, "--insecure-address", same];
    fails(&both, 2, &[same, "--insecure-address", "--api-address"]);
    fails(&["get", "pods,rs"], 2, &["pods,rs", "one at a time"]);
    fails(&["get", "pod/a", "b"], 2, &["pod/a", "one object"]);
    fails(&["get", "pod/"], 2, &["name", "empty"]);
}

#[test]
fn traces_of_two_simulations_do_not_mix() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(folder.path().join("seed-7")).expect("a directory");
    let keep = folder.path().display().to_string();
    let again = ["simulate", "--seed", "7", "--keep", &keep];
    fails(&again, 1, &["seed-7", "is there already", "--keep"]);
}

#[test]
fn clients_without_a_cluster() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let missing = folder.path().join("kubeconfig").display().to_string();
    fails(
        &["get", "pods", "--kubeconfig", &missing],
        1,
        &[&missing, "plimsoll up"],
    );
    fails(
        &["get", "sheep", "--kubeconfig", &missing],
        1,
        &["\"sheep\"", "pods"],
    );
    fails(&["apply", "-f", &missing], 1, &[&missing]);
    let free = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|free| free.local_addr())
        .expect("a free port");
    let url = format!("http://{free}");
    fails(
        &["bench", "--server", &url],
        1,
        &[&free.to_string(), "is it running?"],
    );
    let image = folder.path().display().to_string();
    fails(
        &["image", "ls", "--data-dir", &image],
        1,
        &["no cluster in", "--data-dir"],
    );
}

/// Nothing is started in any of these.
mod before_anything_starts {
    use super::*;

    #[test]
    #[cfg_attr(not(root), ignore = "needs root")]
    fn busy_port_old_format_unwritable_directory() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let data_dir = folder.path().display().to_string();
        let busy = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = busy.local_addr().expect("an address").to_string();
        fails(
            &["up", "--data-dir", &data_dir, "--api-address", &address],
            1,
            &[&address, "in use", "--api-address"],
        );
        let left = std::fs::read_dir(folder.path()).expect("a directory");
        assert_eq!(left.count(), 0, "the directory is as it was");
        std::fs::write(folder.path().join("version"), "0\n").expect("written");
        fails(
            &["up", "--data-dir", &data_dir],
            1,
            &["data format \"0\"", "--data-dir"],
        );
        fails(
            &["up", "--data-dir", "/proc/nowhere"],
            1,
            &["/proc/nowhere", "--data-dir"],
        );
    }

    #[test]
    #[cfg_attr(not(root), ignore = "needs root to become someone else")]
    fn who_is_not_root_is_told_so() {
        use std::os::unix::process::CommandExt;
        // The build directory may be root's alone, so the command is run from a copy.
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary directory");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), mode).expect("opened");
        let copy = folder.path().join("plimsoll");
        std::fs::copy(env!("CARGO_BIN_EXE_plimsoll"), &copy).expect("copied");
        let output = std::process::Command::new(copy)
            .arg("up")
            .uid(65534)
            .gid(65534)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(
            said.contains("pods need root") && said.lines().count() == 1,
            "{said}"
        );
    }
}
