//! The driver of the suite for stores: writers, readers, watchers, holders of leases and one who compacts, against a real
//! etcd by its own API or against a store of this project by its. What they saw is judged by
//! `conformance::suite::store`.

mod client;
mod compaction;
mod leases;
mod quic;
mod readers;
mod session;
mod watchers;
mod writers;

use anyhow::{Context, bail};
use conformance::suite::store::judge;
use conformance::suite::store::observed::Observed;
use shell::Environment;
use store::Engine;
use store::etcd::{Etcd, EtcdAddress};

use super::Plan;
use super::report::{Finding, Report};

/// Observes an etcd by its own API, under a prefix of the session's own that is emptied afterwards.
///
/// # Errors
/// If it is not there, is too old, or does not answer for long.
pub fn observe_etcd(
    address: &EtcdAddress,
    plan: Plan,
    progress: impl Fn(&str),
) -> anyhow::Result<Observed> {
    let own = Environment::system().uuid()?;
    let address = EtcdAddress {
        prefix: format!("{}-conformance-{own}", address.prefix),
        ..address.clone()
    };
    progress(&format!("keys below {}", address.prefix));
    let ran = shell::run(async {
        let etcd = Etcd::new(&address, Default::default()).context("not an etcd's URL")?;
        etcd.check().await?;
        let observed = session::run(etcd.clone(), plan, &progress).await;
        etcd.remove_all().await?;
        observed
    });
    ran.context("no event loop")?
}

/// Starts a store of this project over an engine and observes it as the API server does, over QUIC.
///
/// # Errors
/// If it does not start, or does not answer for long.
pub fn observe_engine(
    engine: Engine,
    plan: Plan,
    progress: impl Fn(&str),
) -> anyhow::Result<Observed> {
    let engine = match engine {
        Engine::Etcd(address) => Engine::Etcd(EtcdAddress {
            prefix: format!(
                "{}-conformance-{}",
                address.prefix,
                Environment::system().uuid()?
            ),
            ..address
        }),
        Engine::Embedded => Engine::Embedded,
    };
    progress(&format!("a store over {engine}"));
    let ran = shell::run(async {
        let running = quic::Running::start(engine.clone()).await?;
        let observed = session::run(running.client(), plan, &progress).await;
        running.stop().await?;
        if let Engine::Etcd(address) = &engine {
            let etcd = Etcd::new(address, Default::default()).context("not an etcd's URL")?;
            etcd.remove_all().await?;
        }
        observed
    });
    ran.context("no event loop")?
}

/// Judges what was observed.
pub fn report_of_store(observed: &Observed) -> Report {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let messages = || observed.watches.iter().flat_map(|watch| &watch.messages);
    Report {
        suite: "store",
        findings: judge(observed).iter().map(Finding::of).collect(),
        figures: vec![
            ("transactions", count(observed.writes.len())),
            ("ranges", count(observed.reads.len())),
            ("watches", count(observed.watches.len())),
            (
                "events",
                count(messages().map(|message| message.events.len()).sum()),
            ),
            ("compactions", count(observed.compactions.len())),
            ("leases", count(observed.leases.len())),
        ],
    }
}

/// What a session cannot go on with.
fn unexpected<T>(what: &str, answer: impl std::fmt::Debug) -> anyhow::Result<T> {
    bail!("{what} was answered with {answer:?}")
}
