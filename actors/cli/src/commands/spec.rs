//! `plimsoll spec`: the specifications, checked, shown and taken step by step.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use specs::catalog::{self, Listed, Report, Size};
use specs::counterexample::{Scenario, Telling};

use super::exploring::Exploring;
use super::table::Columns;

/// Check the specifications, and the machines that ship against them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Spec {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll spec list
  plimsoll spec check --all                 what CI checks, in minutes
  plimsoll spec check store --size large
  plimsoll spec graph store | dot -Tsvg > store.svg
  plimsoll spec explore store               stateright's Explorer at http://127.0.0.1:3000
  plimsoll spec replay counterexample.txt";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the specifications, their sizes and how many states each has
    List,
    /// Explore a specification whole and check its properties
    Check {
        /// Which one
        #[arg(required_unless_present = "all", value_parser = names())]
        name: Option<String>,
        /// Every one
        #[arg(long, conflicts_with = "name")]
        all: bool,
        /// How large a world
        #[arg(long, default_value = "ci")]
        size: String,
        /// JSON instead of text: an object with name, states, seconds and properties for each
        #[arg(long)]
        json: bool,
        /// Write a counterexample there as a scenario that `spec replay` takes
        #[arg(long, value_name = "FILE")]
        scenario: Option<PathBuf>,
        /// Show counterexamples as mermaid sequence diagrams too
        #[arg(long)]
        mermaid: bool,
    },
    /// Step through a specification in the browser, with stateright's Explorer
    Explore {
        /// Which one
        #[arg(value_parser = names())]
        name: String,
        /// How large a world
        #[arg(long, default_value = "tiny")]
        size: String,
        /// Where to serve it
        #[arg(long, default_value = "127.0.0.1:3000")]
        address: SocketAddr,
    },
    /// Print a specification's states and choices in the language of Graphviz
    Graph {
        /// Which one
        #[arg(value_parser = names())]
        name: String,
        /// How large a world
        #[arg(long, default_value = "tiny")]
        size: String,
    },
    /// Take the steps of a scenario file again
    Replay {
        /// The file; `-` for standard input
        file: PathBuf,
    },
}

/// The names of the specifications, as values of an argument.
pub(super) fn names() -> clap::builder::PossibleValuesParser {
    let names: Vec<&'static str> = catalog::all().iter().map(|listed| listed.name).collect();
    names.into()
}

impl Spec {
    /// Carries the verb out. Fails with 1 if a property does not hold.
    ///
    /// # Errors
    /// If there is no such specification or size, or a file cannot be read.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::List => list(),
            Verb::Check {
                name,
                all: _,
                size,
                json,
                scenario,
                mermaid,
            } => {
                let shown = Shown {
                    json,
                    scenario,
                    mermaid,
                };
                return check(name.as_deref(), &size, &shown);
            }
            Verb::Explore {
                name,
                size,
                address,
            } => {
                let listed = named(&name)?;
                let size = sized(&listed, &size)?;
                eprintln!(
                    "{name} ({}) at http://{address}; Ctrl-C ends it",
                    size.holds
                );
                (listed.world)(size).serve(address);
            }
            Verb::Graph { name, size } => {
                let listed = named(&name)?;
                let size = sized(&listed, &size)?;
                print!("{}", (listed.world)(size).dot());
            }
            Verb::Replay { file } => return replay(&file),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How a check's findings are shown.
struct Shown {
    json: bool,
    scenario: Option<PathBuf>,
    mermaid: bool,
}

/// The specification of a name.
pub(super) fn named(name: &str) -> anyhow::Result<Listed> {
    catalog::all()
        .into_iter()
        .find(|listed| listed.name == name)
        .ok_or_else(|| anyhow!("there is no specification {name}; see `plimsoll spec list`"))
}

/// A specification's size of a name.
pub(super) fn sized(listed: &Listed, size: &str) -> anyhow::Result<&'static Size> {
    let sizes: Vec<&str> = listed.sizes.iter().map(|size| size.name).collect();
    listed.size(size).ok_or_else(|| {
        anyhow!(
            "{} has no size {size}; it has {}",
            listed.name,
            sizes.join(", ")
        )
    })
}

fn list() {
    let mut rows = vec![
        ["NAME", "SIZE", "STATES", "HOLDS"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for listed in catalog::all() {
        for size in listed.sizes {
            rows.push(vec![
                listed.name.to_owned(),
                size.name.to_owned(),
                size.states.to_string(),
                size.holds.to_owned(),
            ]);
        }
    }
    print!("{}", Columns::default().lines(&rows));
}

fn check(name: Option<&str>, size: &str, shown: &Shown) -> anyhow::Result<ExitCode> {
    let chosen: Vec<Listed> = match name {
        Some(name) => vec![named(name)?],
        None => catalog::all(),
    };
    let mut holds = true;
    let mut objects = Vec::new();
    for listed in chosen {
        let size = sized(&listed, size)?;
        eprintln!("{}: {} ({} states)", listed.name, size.holds, size.states);
        let mut exploring = Exploring::begin();
        let report = listed.check(size, &mut |progress| exploring.tell(progress));
        drop(exploring);
        holds &= report.holds();
        if shown.json {
            objects.push(object(&listed, size, &report));
        } else {
            print(&listed, size, &report, shown.mermaid);
        }
        if let Some(file) = &shown.scenario
            && let Some((property, telling)) = broken(&report)
        {
            let text = telling.scenario(listed.name, size.name, property);
            std::fs::write(file, text).with_context(|| file.display().to_string())?;
        }
    }
    if shown.json {
        println!("{}", serde_json::to_string_pretty(&objects)?);
    }
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn broken(report: &Report) -> Option<(&'static str, &Telling)> {
    report
        .properties
        .iter()
        .filter(|verdict| !verdict.holds)
        .find_map(|verdict| Some((verdict.name, verdict.counterexample.as_ref()?)))
}

fn print(listed: &Listed, size: &Size, report: &Report, mermaid: bool) {
    println!(
        "{} {}: {} states ({} with ghosts), {} transitions, depth {}, {:.1} s",
        listed.name,
        size.name,
        report.states,
        report.with_ghosts,
        report.transitions,
        report.depth,
        report.seconds
    );
    for verdict in &report.properties {
        let mark = if verdict.holds { "holds" } else { "FAILS" };
        println!("  {mark}  {:9}  {}", verdict.kind, verdict.name);
        if let Some(telling) = &verdict.counterexample {
            print!("{telling}");
            if mermaid {
                print!("{}", telling.mermaid());
            }
        }
    }
}

fn object(listed: &Listed, size: &Size, report: &Report) -> serde_json::Value {
    let properties: Vec<_> = report
        .properties
        .iter()
        .map(|verdict| {
            let telling = verdict.counterexample.as_ref();
            let lines = telling.map(|telling| {
                telling
                    .steps
                    .iter()
                    .map(|step| &step.line)
                    .collect::<Vec<_>>()
            });
            json!({
                "name": verdict.name,
                "kind": verdict.kind,
                "holds": verdict.holds,
                "counterexample": lines,
            })
        })
        .collect();
    json!({
        "name": listed.name,
        "size": size.name,
        "states": report.states,
        "statesWithGhosts": report.with_ghosts,
        "transitions": report.transitions,
        "depth": report.depth,
        "seconds": report.seconds,
        "holds": report.holds(),
        "properties": properties,
        "taken": report.taken,
    })
}

fn replay(file: &std::path::Path) -> anyhow::Result<ExitCode> {
    let named_file = || file.display().to_string();
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).context("standard input")?
    } else {
        std::fs::read_to_string(file).with_context(named_file)?
    };
    let scenario: Scenario = text.parse().with_context(named_file)?;
    ensure!(
        !scenario.specification.is_empty(),
        "{}: the head does not name a specification",
        file.display()
    );
    let listed = named(&scenario.specification)?;
    let size = sized(&listed, &scenario.size)?;
    let replayed = (listed.world)(size)
        .replay(&scenario)
        .with_context(named_file)?;
    print!("{}", replayed.telling);
    println!("{}", replayed.end);
    Ok(match replayed.broken {
        Some((step, property)) => {
            println!("after step {step}: \"{property}\" does not hold");
            ExitCode::FAILURE
        }
        None => {
            println!("every property holds in every state of it");
            ExitCode::SUCCESS
        }
    })
}
