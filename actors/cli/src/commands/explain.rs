//! `plimsoll explain`: the eleven steps of a pod, from the traces of the cluster on this machine.

use std::path::PathBuf;

use anyhow::{anyhow, ensure};
use clap::{Args, Subcommand};
use conformance::explain::{Way, explain};
use jiff::Timestamp;
use serde_json::json;

use super::table::Columns;
use crate::cluster::present_data_dir;

/// Tell how something came about, step by step, from the cluster's traces.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// The cluster's directory, as `up` has it [default: that of $KUBECONFIG if it is one's, else
    /// $XDG_DATA_HOME/plimsoll]
    #[arg(long, value_name = "DIR", env = "PLIMSOLL_DATA_DIR", global = true)]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    subject: Subject,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll explain pod hello
  plimsoll explain pod kube-system/web-x2dl8 --mermaid";

#[derive(Debug, Subcommand)]
enum Subject {
    /// The eleven steps of a pod: when, who, how long each took; where it waits, and why
    Pod {
        /// Its name, after its namespace and a slash if that is not `default`
        #[arg(value_name = "[NAMESPACE/]NAME")]
        name: String,
        /// JSON instead of a table
        #[arg(long, conflicts_with = "mermaid")]
        json: bool,
        /// A mermaid sequence diagram instead of a table
        #[arg(long)]
        mermaid: bool,
    },
}

impl Explain {
    /// Carries it out.
    ///
    /// # Errors
    /// If there is no cluster, or its traces tell nothing of the pod.
    pub fn execute(self) -> anyhow::Result<()> {
        let data_dir = present_data_dir(self.data_dir);
        let traces = data_dir.join("trace");
        ensure!(
            traces.is_dir(),
            "there are no traces of a cluster in {}; start one with `plimsoll up`, or give --data-dir",
            data_dir.display()
        );
        let Subject::Pod {
            name,
            json,
            mermaid,
        } = self.subject;
        let (namespace, name) = match name.split_once('/') {
            None => ("default", name.as_str()),
            Some((namespace, name)) => (namespace, name),
        };
        ensure!(
            !namespace.is_empty() && !name.is_empty() && !name.contains('/'),
            "a pod is named NAME or NAMESPACE/NAME"
        );
        let way = explain(&[traces], namespace, name).map_err(|error| anyhow!(error))?;
        if json {
            println!("{}", serde_json::to_string_pretty(&object(&way))?);
        } else if mermaid {
            print!("{}", diagram(&way));
        } else {
            print(&way);
        }
        Ok(())
    }
}

fn print(way: &Way) {
    println!("pod {} ({})", way.pod, way.uid);
    let headings = ["STEP", "AT", "AFTER", "FROM", "TO", "WHAT"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    let mut before = None;
    for hop in &way.hops {
        let after = before.map_or_else(String::new, |before| elapsed(before, hop.at_ms));
        before = Some(hop.at_ms);
        let (from, to) = &hop.parties;
        rows.push(vec![
            hop.step.to_string(),
            clock(hop.at_ms),
            after,
            from.clone(),
            to.clone(),
            hop.what.clone(),
        ]);
    }
    print!("{}", Columns::default().lines(&rows));
    if let (Some(first), Some(last)) = (way.hops.first(), way.hops.last()) {
        println!(
            "{} in all",
            elapsed(first.at_ms, last.at_ms).trim_start_matches('+')
        );
    }
    for note in &way.notes {
        println!("{}  {}: {}", clock(note.at_ms), note.by, note.what);
    }
    if let Some(waits) = &way.waits {
        let why = waits.why.as_deref().unwrap_or("nobody has said why");
        println!("waits for step {}, {}: {why}", waits.step, waits.what);
    }
}

fn elapsed(from_ms: u64, to_ms: u64) -> String {
    // Clocks of two hosts may differ; a hop does not go back in time.
    format!("+{} ms", to_ms.saturating_sub(from_ms))
}

fn clock(at_ms: u64) -> String {
    i64::try_from(at_ms)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok())
        .map_or_else(
            || at_ms.to_string(),
            |at| at.strftime("%H:%M:%S%.3fZ").to_string(),
        )
}

fn diagram(way: &Way) -> String {
    let mut text = String::from("sequenceDiagram\n");
    for hop in &way.hops {
        let (from, to) = &hop.parties;
        let what = hop.what.replace(';', ",");
        text.push_str(&format!("    {from}->>{to}: {} {what}\n", hop.step));
    }
    if let Some(waits) = &way.waits {
        let why = waits.why.as_deref().unwrap_or("nobody has said why");
        let last = way
            .hops
            .last()
            .map_or("client", |hop| hop.parties.1.as_str());
        let why = why.replace(';', ",");
        text.push_str(&format!(
            "    Note over {last}: waits for step {}: {why}\n",
            waits.step
        ));
    }
    text
}

fn object(way: &Way) -> serde_json::Value {
    let hops: Vec<_> = way
        .hops
        .iter()
        .map(|hop| {
            json!({
                "step": hop.step,
                "what": hop.what,
                "from": hop.parties.0,
                "to": hop.parties.1,
                "atMs": hop.at_ms,
                "revision": hop.revision,
            })
        })
        .collect();
    let notes: Vec<_> = way
        .notes
        .iter()
        .map(|note| json!({ "atMs": note.at_ms, "by": note.by, "what": note.what }))
        .collect();
    let waits = way
        .waits
        .as_ref()
        .map(|waits| json!({ "step": waits.step, "what": waits.what, "why": waits.why }));
    json!({ "pod": way.pod, "uid": way.uid, "hops": hops, "notes": notes, "waits": waits })
}
