//! Measuring an API server: any one, over HTTP.
//!
//! Every figure is taken at the client: a request counts from before it is sent until its answer is read. The pods
//! name a scheduler that does not exist, so that the path through the API server and its store is measured and
//! nothing else. Everything happens in namespaces that the benchmark makes and removes.

mod creation;
mod fleet;
mod latency;
mod listing;
mod memory;
mod namespace;
mod report;
mod startup;
mod watching;

use anyhow::Context;

pub use fleet::block_on;
pub use namespace::Made;
pub use report::Report;
pub use startup::Started;

use crate::client::Server;

/// How much to measure.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Pods in the largest measurement, created by 64 clients and then listed.
    pub pods: usize,
    /// Watchers that wait for every event.
    pub watchers: usize,
    /// Processes whose memory (with that of their descendants) is measured, by id.
    pub processes: Vec<i32>,
}

/// Runs every measurement, saying on standard error what it does.
///
/// # Errors
/// Whatever the server refuses.
pub fn run(server: &Server, scale: &Scale) -> anyhow::Result<Report> {
    let mut report = Report {
        server: version(server)?,
        ..Report::default()
    };
    report.memory_idle = memory::of(&scale.processes);
    for (clients, pods) in [(1, scale.pods / 10), (16, scale.pods / 2), (64, scale.pods)] {
        eprintln!("creating {pods} pods, {clients} at a time");
        let namespace = namespace::Made::new(server, "plimsoll-bench-")
            .context("a namespace for the benchmark")?;
        report
            .creations
            .push(creation::measure(server, namespace.name(), clients, pods)?);
        if clients == 64 {
            eprintln!("listing them");
            report.list = Some(listing::measure(server, namespace.name())?);
        }
        namespace.remove()?;
    }
    eprintln!("delivering events to {} watchers", scale.watchers);
    let namespace =
        namespace::Made::new(server, "plimsoll-bench-").context("a namespace for the benchmark")?;
    report.watch = Some(watching::measure(server, namespace.name(), scale.watchers)?);
    report.memory_after = memory::of(&scale.processes);
    namespace.remove()?;
    Ok(report)
}

fn version(server: &Server) -> anyhow::Result<String> {
    fleet::block_on(async {
        let version = server
            .connect()
            .await?
            .send(crate::client::Request::get("/version"))
            .await?
            .json()
            .await?;
        Ok(version["gitVersion"]
            .as_str()
            .unwrap_or("unknown")
            .to_owned())
    })
}
