//! Scenario files: a machine's conversation, one command and what came of it after another.
//!
//! A file under `tests/scenarios/MACHINE/` is a list of blocks
//!
//! ```text
//! # a comment
//! command with arguments
//! ----
//! what came of it, line by line
//! ```
//!
//! separated by empty lines. A [`Player`] carries out a command and answers with the lines. With
//! `UPDATE=1` in the environment the expected lines are written instead of compared; read the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;

use model::machine::{Machine, Now, Out, Request, Step};

/// Turns the commands of a machine's scenario files into its steps.
pub trait Player {
    /// Carries out one command (several lines where it is longer) and tells what came of it.
    fn play(&mut self, command: &str) -> Result<String, String>;
}

/// Plays every file of `tests/scenarios/MACHINE/`, each with a fresh player, and compares.
pub fn play_all<P: Player>(machine: &str, mut fresh: impl FnMut() -> P) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scenarios")
        .join(machine);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scenario in {}", folder.display());
    for file in files {
        play_file(&file, &mut fresh());
    }
}

fn play_file(file: &Path, player: &mut impl Player) {
    let text =
        std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut played = String::new();
    for block in text
        .split("\n\n")
        .map(|block| block.trim_matches('\n'))
        .filter(|block| !block.is_empty())
    {
        if !played.is_empty() {
            played.push('\n');
        }
        let lines: Vec<&str> = block.lines().collect();
        let (comments, rest) = lines.split_at(
            lines
                .iter()
                .take_while(|line| line.starts_with('#'))
                .count(),
        );
        for comment in comments {
            played.push_str(comment);
            played.push('\n');
        }
        let command = rest
            .iter()
            .take_while(|line| **line != "----")
            .copied()
            .collect::<Vec<_>>()
            .join("\n");
        if command.is_empty() {
            continue;
        }
        let answer = player
            .play(&command)
            .unwrap_or_else(|error| format!("error: {error}"));
        // An empty line ends a block, so an answer has none.
        let told: Vec<&str> = answer
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let answer = told.join("\n");
        played.push_str(&command);
        played.push_str("\n----\n");
        played.push_str(if answer.is_empty() { "ok" } else { &answer });
        played.push('\n');
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &played).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    } else if played != text {
        panic!(
            "{}: not what the file says. Played:\n{played}\nFile:\n{text}",
            file.display()
        );
    }
}

/// A machine with its state and clock, and the transitions it has been seen to make.
pub struct Rig<M: Machine> {
    machine: M,
    /// The machine's state.
    pub state: M::State,
    /// What the machine takes for the time.
    pub now: Now,
    transitions: BTreeSet<(String, String, String, String)>,
    timers: BTreeMap<M::Timer, u64>,
}

impl<M: Machine> Rig<M> {
    /// A machine started from nothing at time 0; what the start asked for is returned too.
    pub fn new(machine: M) -> (Self, String) {
        let mut out = Out::new();
        let state = machine.start(None, Now(0), &mut out);
        let mut rig = Rig {
            machine,
            state,
            now: Now(0),
            transitions: BTreeSet::new(),
            timers: BTreeMap::new(),
        };
        let told = rig.tell(&mut out).join("\n");
        (rig, told)
    }

    /// One step. `phase` names the state for the transition table. Answers with actions and outputs, a line each.
    pub fn step(&mut self, phase: impl Fn(&M::State) -> String, input: M::Input) -> String {
        let (before, word) = (phase(&self.state), variant(&input));
        let mut out = Out::new();
        let step = self
            .machine
            .step(&mut self.state, self.now, input, &mut out);
        let mut lines = Vec::new();
        let outcome = match step {
            Step::Moved(actions) => {
                lines.extend(actions.iter().map(|action| format!("{action:?}")));
                actions.iter().map(variant).collect::<Vec<_>>().join(" ")
            }
            Step::Nothing => {
                lines.push("nothing".to_owned());
                "nothing".to_owned()
            }
            Step::Refused(guard) => {
                lines.push(format!("refused: {guard}"));
                format!("refused: {guard}")
            }
        };
        self.transitions
            .insert((before, word, outcome, phase(&self.state)));
        lines.extend(self.tell(&mut out));
        lines.join("\n")
    }

    /// Lets a pending timer fire, by its `Debug` form.
    pub fn fire(
        &mut self,
        phase: impl Fn(&M::State) -> String,
        timer: &str,
    ) -> Result<String, String> {
        let found = self
            .timers
            .keys()
            .find(|pending| format!("{pending:?}") == timer)
            .cloned();
        let found = found.ok_or_else(|| format!("no timer {timer}; pending: {:?}", self.timers))?;
        if let Some(after) = self.timers.remove(&found) {
            self.now = Now(self.now.0 + after);
        }
        let input = self.machine.fired(found);
        Ok(self.step(phase, input))
    }

    /// The transitions seen so far: phase, input, outcome, phase, a row each; for a snapshot.
    pub fn transitions(&self) -> impl Iterator<Item = String> + '_ {
        self.transitions
            .iter()
            .map(|(before, input, outcome, after)| {
                format!("{before} | {input} | {outcome} | {after}")
            })
    }

    fn tell(&mut self, out: &mut Out<M>) -> Vec<String> {
        out.drain()
            .map(|request| match request {
                Request::Output(output) => format!("-> {output:?}"),
                Request::Timer(timer, after) => {
                    let line = format!("-> timer {timer:?} in {after} ms");
                    self.timers.insert(timer, after);
                    line
                }
                Request::Cancel(timer) => {
                    self.timers.remove(&timer);
                    format!("-> cancel timer {timer:?}")
                }
            })
            .collect()
    }
}

/// The name of an enum's variant, from its `Debug` form.
pub fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
