//! What a suite found, for people and for machines.

use conformance::suite::observed::Observed;
use conformance::suite::{Guarantee, Outcome, Promised, Verdict};
use serde_json::{Value, json};

use crate::commands::Columns;

/// How many breaches of one promise are shown to people; the rest look like them.
const SHOWN: usize = 5;

/// What a suite found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which suite: `watch`, `api`, `create-pod`.
    pub suite: &'static str,
    /// Everything it checked, in its order.
    pub findings: Vec<Finding>,
    /// What was done and seen, by name.
    pub figures: Vec<(&'static str, u64)>,
}

/// What it found of one promise.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its name, in words joined by hyphens.
    pub name: String,
    /// What is promised, in a line.
    pub promise: String,
    /// Who promises it: a guarantee's number, or a document.
    pub source: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How many observations could have shown it broken.
    pub instances: u64,
    /// Those that did, in words; or why nothing can be said.
    pub details: Vec<String>,
}

impl Finding {
    /// That of a verdict on what was observed.
    pub fn of<P: Promised, B: ToString>(verdict: &Verdict<P, B>) -> Self {
        let (promise, found) = (verdict.promise, &verdict.found);
        let name = serde_json::to_value(promise).unwrap_or_default();
        let outcome = verdict.outcome();
        let mut details: Vec<String> = found.breaches.iter().map(ToString::to_string).collect();
        if outcome == Outcome::Inconclusive {
            details.push("nothing telling was observed; a longer --duration may help".to_owned());
        }
        Finding {
            name: name.as_str().unwrap_or_default().to_owned(),
            promise: promise.says().to_owned(),
            source: promise.source(),
            outcome,
            instances: found.instances,
            details,
        }
    }
}

impl Report {
    /// That of the watch suite.
    pub fn of_watches(observed: &Observed, verdicts: &[Verdict<Guarantee>]) -> Self {
        let events = observed.watches.iter().map(|watch| watch.events.len());
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Report {
            suite: "watch",
            findings: verdicts.iter().map(Finding::of).collect(),
            figures: vec![
                ("writes", count(observed.writes.len())),
                ("lists", count(observed.lists.len())),
                ("watches", count(observed.watches.len())),
                ("events", count(events.sum())),
            ],
        }
    }

    /// Whether every promise was kept, each seen at least once.
    pub fn is_kept(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.all(|finding| finding.outcome == Outcome::Kept)
    }

    /// A table, what broke each promise, and the figures.
    pub fn text(&self) -> String {
        let headings = ["SOURCE", "PROMISE", "INSTANCES", "VERDICT"];
        let mut rows = vec![headings.map(str::to_owned).to_vec()];
        rows.extend(self.findings.iter().map(|finding| {
            vec![
                finding.source.clone(),
                finding.promise.clone(),
                finding.instances.to_string(),
                said(finding.outcome).to_owned(),
            ]
        }));
        let mut text = Columns::default().lines(&rows);
        for finding in self.findings.iter().filter(|one| !one.details.is_empty()) {
            let times = match finding.outcome {
                Outcome::Broken => format!("{} times broken", finding.details.len()),
                Outcome::Inconclusive | Outcome::Kept => said(finding.outcome).to_owned(),
            };
            text.push_str(&format!("\n{}: {times}\n", finding.promise));
            for detail in finding.details.iter().take(SHOWN) {
                text.push_str(&format!("  {detail}\n"));
            }
        }
        let figures: Vec<String> = self
            .figures
            .iter()
            .map(|(name, figure)| format!("{figure} {name}"))
            .collect();
        text.push_str(&format!("{}\n", figures.join(", ")));
        text
    }

    /// An object with a verdict for each promise.
    pub fn json(&self) -> Value {
        let verdicts: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "name": finding.name,
                    "promise": finding.promise,
                    "source": finding.source,
                    "outcome": finding.outcome,
                    "instances": finding.instances,
                    "details": finding.details,
                })
            })
            .collect();
        let figures: serde_json::Map<String, Value> = self
            .figures
            .iter()
            .map(|(name, figure)| ((*name).to_owned(), json!(figure)))
            .collect();
        json!({ "suite": self.suite, "figures": figures, "verdicts": verdicts })
    }

    /// A test suite as CI systems read it. What is inconclusive is a failure too.
    pub fn junit(&self) -> String {
        let (suite, tests) = (self.suite, self.findings.len());
        let kept = |finding: &&Finding| finding.outcome == Outcome::Kept;
        let failures = tests - self.findings.iter().filter(kept).count();
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{suite}\" tests=\"{tests}\" failures=\"{failures}\">\n"
        );
        for finding in &self.findings {
            let name = escaped(&finding.name);
            text.push_str(&format!(
                "  <testcase classname=\"{suite}\" name=\"{name}\""
            ));
            if finding.outcome == Outcome::Kept {
                text.push_str("/>\n");
                continue;
            }
            let message = escaped(said(finding.outcome));
            let detail = escaped(&finding.details.join("\n"));
            text.push_str(&format!(
                ">\n    <failure message=\"{message}\">{detail}</failure>\n  </testcase>\n"
            ));
        }
        text.push_str("</testsuite>\n");
        text
    }
}

fn said(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "kept",
        Outcome::Broken => "BROKEN",
        Outcome::Inconclusive => "INCONCLUSIVE",
    }
}

/// As XML 1.0 takes it: a control character has no place there, not even escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => escaped.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
