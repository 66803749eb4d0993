//! What a benchmark found, as a table and as JSON.

use serde::Serialize;

use super::creation::Creation;
use super::latency::Latency;
use super::listing::Listing;
use super::memory::Memory;
use super::watching::Watching;
use crate::commands::Columns;

/// Everything that was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The server's own version.
    pub server: String,
    /// From starting a cluster until `/readyz` answered 200, if the benchmark started it.
    pub start_to_readyz_ms: Option<f64>,
    /// Until every component served.
    pub start_to_ready_ms: Option<f64>,
    /// Pods created, by number of clients.
    pub creations: Vec<Creation>,
    /// The list of the largest number of pods.
    pub list: Option<Listing>,
    /// Events delivered to many watchers.
    pub watch: Option<Watching>,
    /// Memory before the load, by process; empty for a cluster elsewhere.
    pub memory_idle: Vec<Memory>,
    /// Memory after the load.
    pub memory_after: Vec<Memory>,
}

impl Report {
    /// As a table for people.
    pub fn table(&self) -> String {
        let mut rows = vec![
            ["MEASURED", "P50", "P99", "RATE", "NOTE"]
                .map(str::to_owned)
                .to_vec(),
        ];
        let mut row = |what: String, latency: Option<&Latency>, rate: String, note: String| {
            let time = |of: fn(&Latency) -> f64| {
                latency.map_or(String::new(), |latency| milliseconds(of(latency)))
            };
            rows.push(vec![
                what,
                time(|l| l.p50_ms),
                time(|l| l.p99_ms),
                rate,
                note,
            ]);
        };
        if let Some(ms) = self.start_to_readyz_ms {
            row(
                "start until /readyz".to_owned(),
                None,
                milliseconds(ms),
                String::new(),
            );
        }
        if let Some(ms) = self.start_to_ready_ms {
            row(
                "start until every component serves".to_owned(),
                None,
                milliseconds(ms),
                String::new(),
            );
        }
        for made in &self.creations {
            let clients = if made.clients == 1 {
                "client"
            } else {
                "clients"
            };
            let flat = made
                .first_thousand_per_second
                .zip(made.last_thousand_per_second);
            let flat = flat
                .map(|(first, last)| format!("; first 1000 {first:.0}/s, last 1000 {last:.0}/s"));
            row(
                format!("create pods, {} {clients}", made.clients),
                Some(&made.latency),
                format!("{:.0}/s", made.per_second),
                format!("{} pods{}", made.pods, flat.unwrap_or_default()),
            );
        }
        if let Some(list) = &self.list {
            let note = format!("{:.1} MiB", list.bytes as f64 / (1024.0 * 1024.0));
            row(
                format!("list {} pods", list.pods),
                Some(&list.latency),
                String::new(),
                note,
            );
        }
        if let Some(watch) = &self.watch {
            let note = format!("{} events", watch.events);
            row(
                format!("deliver to {} watchers", watch.watchers),
                Some(&watch.latency),
                String::new(),
                note,
            );
        }
        for (when, memory) in [
            ("idle", &self.memory_idle),
            ("after the load", &self.memory_after),
        ] {
            if !memory.is_empty() {
                let total = memory.iter().map(|process| process.pss_kib).sum();
                row(
                    format!("memory (PSS), {when}"),
                    None,
                    mebibytes(total),
                    format!("{} processes", memory.len()),
                );
            }
            for process in memory {
                row(
                    format!("  {}", process.process),
                    None,
                    mebibytes(process.pss_kib),
                    String::new(),
                );
            }
        }
        format!(
            "server: {}\n{}",
            self.server,
            Columns::default().lines(&rows)
        )
    }

    /// As JSON for programs; every name ends with its unit.
    ///
    /// # Errors
    /// If a figure is no number that JSON can hold.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.2} ms")
}

fn mebibytes(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let latency = Latency {
            p50_ms: 0.4567,
            p99_ms: 12.3,
            max_ms: 45.0,
        };
        let creation = |clients, pods, flat: Option<f64>| Creation {
            clients,
            pods,
            latency,
            per_second: 2034.4,
            first_thousand_per_second: flat,
            last_thousand_per_second: flat.map(|rate| rate - 10.0),
        };
        Report {
            server: "v1.36.0".to_owned(),
            start_to_readyz_ms: Some(213.0),
            start_to_ready_ms: Some(240.5),
            creations: vec![creation(1, 500, None), creation(64, 5_000, Some(2100.0))],
            list: Some(Listing {
                pods: 5_000,
                bytes: 7 << 20,
                latency,
            }),
            watch: Some(Watching {
                watchers: 100,
                events: 5_000,
                latency,
            }),
            memory_idle: vec![
                Memory {
                    process: "plimsoll up".to_owned(),
                    pss_kib: 4_200,
                },
                Memory {
                    process: "plimsoll apiserver".to_owned(),
                    pss_kib: 20_480,
                },
            ],
            memory_after: Vec::new(),
        }
    }

    #[test]
    fn the_table_has_units() {
        insta::assert_snapshot!(report().table());
    }

    #[test]
    fn the_json_has_units_in_its_names() {
        insta::assert_snapshot!(report().json().expect("numbers"));
    }
}
