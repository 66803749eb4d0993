//! A script of kubectl commands.

use std::io::Write;
use std::process::Stdio;

use super::normalised::normalised;
use crate::cluster::{Cluster, PATIENCE, eventually};

/// One command of a script.
struct Command {
    line: String,
    input: String,
    /// The command is repeated until its output holds this.
    until: Option<String>,
}

/// A list of commands.
pub(super) struct Script(Vec<Command>);

impl Script {
    /// Reads `command`, `until command -> words` and `< input` lines; `#` begins a comment.
    pub(super) fn parse(text: &str) -> Self {
        let mut commands: Vec<Command> = Vec::new();
        for line in text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            if let Some(input) = line.strip_prefix('<') {
                let last = commands.last_mut().expect("input follows a command");
                last.input
                    .push_str(input.strip_prefix(' ').unwrap_or(input));
                last.input.push('\n');
                continue;
            }
            let (line, until) = match line.strip_prefix("until ") {
                Some(rest) => {
                    let (line, words) = rest.split_once(" -> ").expect("until COMMAND -> WORDS");
                    (line, Some(words.to_owned()))
                }
                None => (line, None),
            };
            commands.push(Command {
                line: line.to_owned(),
                input: String::new(),
                until,
            });
        }
        Script(commands)
    }

    /// Runs every command; what each printed, with everything that differs between runs made the same.
    pub(super) fn run(&self, cluster: &Cluster) -> String {
        let mut text = String::new();
        for command in &self.0 {
            text.push_str(&format!(
                "$ kubectl {}\n{}",
                command.line,
                run(command, cluster)
            ));
        }
        text
    }
}

/// What kubectl 1.32 says when an answer of `exec` was there before its streams were, and it threw that away: its own race on
/// a busy machine, mended upstream by kubernetes/kubernetes#131203. It is asked again.
const OWN_RACE: &str = "Unknown stream id";

fn run(command: &Command, cluster: &Cluster) -> String {
    let Some(words) = &command.until else {
        let told = || Some(once(command, cluster)).filter(|(text, _)| !text.contains(OWN_RACE));
        let (output, code) = eventually(PATIENCE, told)
            .unwrap_or_else(|| panic!("kubectl {} never had its streams in time", command.line));
        return normalised(&output, cluster)
            + &if code == 0 {
                String::new()
            } else {
                format!("[exit {code}]\n")
            };
    };
    let seen = eventually(PATIENCE, || {
        once(command, cluster)
            .0
            .contains(words.as_str())
            .then_some(())
    });
    assert!(
        seen.is_some(),
        "kubectl {} never printed {words:?}:\n{}",
        command.line,
        cluster.told()
    );
    String::new()
}

/// Standard output and, after it, standard error; and the exit code.
fn once(command: &Command, cluster: &Cluster) -> (String, i32) {
    let arguments = words(&command.line);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut kubectl = cluster.kubectl_command(&arguments);
    kubectl
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = kubectl.spawn().expect("kubectl runs");
    let mut input = child.stdin.take().expect("a pipe");
    // A command that reads nothing may have ended already.
    let _ = input.write_all(command.input.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("kubectl ends");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    (text, output.status.code().unwrap_or(-1))
}

/// The words of a line; single quotes keep blanks inside one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn scripts_are_read() {
    let script = Script::parse(
        "# comment\nget pods -o 'jsonpath={.a b}'\n\nuntil get x -> Running now\napply -f -\n< a: 1\n<   b: 2\n",
    );
    let lines: Vec<&str> = script
        .0
        .iter()
        .map(|command| command.line.as_str())
        .collect();
    assert_eq!(
        lines,
        ["get pods -o 'jsonpath={.a b}'", "get x", "apply -f -"]
    );
    assert_eq!(words(lines[0]), ["get", "pods", "-o", "jsonpath={.a b}"]);
    assert_eq!(script.0[1].until.as_deref(), Some("Running now"));
    assert_eq!(script.0[2].input, "a: 1\n  b: 2\n");
}
