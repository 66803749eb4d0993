//! Following the traces of a running cluster and holding them against the specifications while it runs.

mod metrics;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use conformance::check::{Rejection, Report};
use conformance::follow::{Figures, Follower};
use tokio::time::{MissedTickBehavior, interval};

use metrics::Metrics;

/// How often the traces are read.
const PASS: Duration = Duration::from_millis(200);

/// How far the check is, and what it found.
#[derive(Clone, Debug, Default)]
struct Standing {
    figures: Figures,
    /// Rejections by specification.
    violations: BTreeMap<&'static str, u64>,
}

/// Follows the traces of a directory until `end` comes, and tells of each rejection at once. `ready` is called when
/// everything that was there at first has been judged; figures are served at `metrics`.
///
/// # Errors
/// If the directory cannot be listed or the address not be listened on.
pub async fn follow(
    directory: &Path,
    metrics: Option<SocketAddr>,
    end: impl Future,
    ready: impl FnOnce(),
    mut tell: impl FnMut(&str, &Rejection),
) -> anyhow::Result<Report> {
    let began = Instant::now();
    let standing = Rc::new(RefCell::new(Standing::default()));
    let _metrics = match metrics {
        Some(address) => Some(Metrics::serve(address, standing.clone()).await?),
        None => None,
    };
    let mut follower = Follower::new(directory);
    let mut ready = Some(ready);
    let mut end = pin!(end);
    let mut passes = interval(PASS);
    passes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = &mut end => break,
            _ = passes.tick() => {}
        }
        follower.read()?;
        // Other tasks of this process have their turn in between.
        while follower.judge() {
            tokio::task::yield_now().await;
        }
        let rejections = follower.rejections();
        let mut standing = standing.borrow_mut();
        standing.figures = follower.figures();
        for (specification, rejection) in &rejections {
            *standing.violations.entry(specification).or_default() += 1;
            tell(specification, rejection);
        }
        if let Some(ready) = ready.take() {
            ready();
        }
    }
    let told: u64 = standing.borrow().violations.values().sum();
    let report = follower.finish(began.elapsed().as_secs_f64())?;
    let mut untold = told;
    for verdict in &report.verdicts {
        // Those that the last pass brought.
        let known = standing
            .borrow()
            .violations
            .get(verdict.specification)
            .copied();
        let known = usize::try_from(known.unwrap_or(0)).unwrap_or(usize::MAX);
        for rejection in verdict.rejections.iter().skip(known) {
            untold += 1;
            tell(verdict.specification, rejection);
        }
    }
    tracing::info!(
        records = report.records,
        actions = report.actions,
        violations = untold,
        "the traces are no longer followed"
    );
    Ok(report)
}
