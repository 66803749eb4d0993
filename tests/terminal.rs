//! `kubectl exec -it` at a real terminal: what is typed is echoed and answered, the window's size reaches the program,
//! and its exit code comes back.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::pty::openpty;
use nix::unistd::Pid;
use rustix::termios::{Winsize, tcgetwinsize, tcsetwinsize};

use crate::cluster::{Cluster, PATIENCE, containers, eventually};
use crate::kube_rs::{block_on, client, pod, running};

/// A program at a terminal of its own.
struct Seat {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Seat {
    /// Starts kubectl in a session whose controlling terminal this is: so the kernel tells it of new sizes.
    fn take(cluster: &Cluster, arguments: &[&str]) -> Self {
        let pty = openpty(None, None).expect("a pseudo terminal");
        tcsetwinsize(&pty.slave, size(24, 80)).expect("a terminal has a size");
        let end = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("a descriptor"));
        let kubectl = cluster.kubectl_command(arguments);
        let mut command = std::process::Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(kubectl.get_program())
            .args(kubectl.get_args())
            .envs(
                kubectl
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(end(&pty.slave))
            .stdout(end(&pty.slave))
            .stderr(end(&pty.slave));
        let child = command.spawn().expect("setsid of util-linux runs");
        drop((command, pty.slave));
        let mut screen = File::from(pty.master.try_clone().expect("a descriptor"));
        let (shows, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The read fails once nobody has the other end open any more.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if shows.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Seat {
            child,
            keyboard: File::from(pty.master),
            screen: shown,
            seen: String::new(),
        }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("a terminal takes keys");
    }

    /// Waits until the screen has shown this, after what was waited for before.
    #[track_caller]
    fn shows(&mut self, words: &str) {
        loop {
            if let Some(at) = self.seen.find(words) {
                self.seen.drain(..at + words.len());
                return;
            }
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{words:?} is not shown, but {:?}", self.seen),
            }
        }
    }
}

/// The program in the pod whose terminal is looked at from outside.
fn repl(cluster: &Cluster) -> Option<Pid> {
    containers(cluster)
        .into_iter()
        .find(|(_, line)| line.trim_end() == "/echo repl")
        .map(|(pid, _)| pid)
}

#[test]
#[cfg_attr(not(all(root, kubectl)), ignore = "needs root and kubectl")]
fn a_terminal_is_as_if_it_were_here() {
    let cluster = Cluster::start(&[]);
    block_on(async {
        let pods = kube::Api::default_namespaced(client(&cluster).await?);
        pods.create(&Default::default(), &pod("hello", &[])).await?;
        running(&pods, "hello").await?;
        Ok(())
    });
    let mut seat = Seat::take(&cluster, &["exec", "-it", "hello", "--", "/echo", "repl"]);
    seat.types("first\n");
    // The pod's terminal echoes: ours is raw, so nothing of it comes from here.
    seat.shows("first\r\n");
    seat.shows("you said: first\r\n");

    let program = repl(&cluster).expect("the program runs");
    let terminal = || File::open(format!("/proc/{program}/fd/0")).expect("it has a terminal");
    let is = |rows, columns| {
        eventually(PATIENCE, || {
            let size = tcgetwinsize(terminal()).expect("a terminal has a size");
            ((size.ws_row, size.ws_col) == (rows, columns)).then_some(())
        })
    };
    is(24, 80).expect("the size at the beginning");
    tcsetwinsize(&seat.keyboard, size(43, 132)).expect("a terminal has a size");
    is(43, 132).expect("the size that came later");

    // Ctrl-W erases the word before the cursor: the line discipline is the pod's.
    seat.types("wrong\x17right\n");
    seat.shows("you said: right\r\n");
    seat.types("exit 7\n");
    seat.shows("command terminated with exit code 7");
    assert_eq!(seat.child.wait().expect("it ends").code(), Some(7));

    // Ctrl-C reaches the program in the pod, and not kubectl.
    let mut seat = Seat::take(&cluster, &["exec", "-it", "hello", "--", "/echo", "repl"]);
    seat.types("again\n");
    seat.shows("you said: again\r\n");
    seat.types("\x03");
    seat.shows("exit code 130");
    assert_eq!(seat.child.wait().expect("it ends").code(), Some(130));
    eventually(PATIENCE, || repl(&cluster).is_none().then_some(())).expect("it is gone");
    cluster.stop();
}
