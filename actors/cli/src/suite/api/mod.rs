//! The API suite: what the documents of Kubernetes promise of objects, their writes and their lists, one function a
//! promise, against any API server. Only kinds that every cluster has, in a namespace of the suite's own.
//!
//! A check says where its promise is written. What no document promises is not checked.

mod client;
mod deletion;
mod discovery;
mod lists;
mod namespaces;
mod objects;
mod patches;
mod pods;
mod validation;
mod writes;

use std::future::Future;
use std::pin::Pin;

use anyhow::Context;
use conformance::suite::Outcome;

use super::report::{Finding, Report};
use crate::bench::Made;
use crate::client::Server;
use client::{Api, Found, Wrong};

/// A promise and how it is checked.
struct Check {
    name: &'static str,
    promise: &'static str,
    source: Source,
    run: for<'a> fn(&'a mut Api) -> Pin<Box<dyn Future<Output = Found> + 'a>>,
}

/// Where a promise is written.
#[derive(Clone, Copy)]
enum Source {
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/>
    Concepts,
    /// <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md>
    Conventions,
    /// The API reference of a kind, below <https://kubernetes.io/docs/reference/kubernetes-api/>
    Reference,
    /// <https://kubernetes.io/docs/reference/using-api/server-side-apply/>
    Apply,
    /// <https://kubernetes.io/docs/concepts/overview/working-with-objects/>
    Objects,
    /// <https://kubernetes.io/docs/reference/using-api/health-checks/>
    Health,
}

impl Source {
    fn named(self) -> &'static str {
        match self {
            Source::Concepts => "API concepts",
            Source::Conventions => "API conventions",
            Source::Reference => "API reference",
            Source::Apply => "server-side apply",
            Source::Objects => "working with objects",
            Source::Health => "health checks",
        }
    }
}

/// A row of a table of checks: its name is that of its function.
macro_rules! check {
    ($source:ident, $function:ident, $promise:literal) => {
        $crate::suite::api::Check {
            name: stringify!($function),
            promise: $promise,
            source: $crate::suite::api::Source::$source,
            run: |api| Box::pin($function(api)),
        }
    };
}
use check;

const GROUPS: &[&[Check]] = &[
    objects::CHECKS,
    writes::CHECKS,
    patches::CHECKS,
    deletion::CHECKS,
    lists::CHECKS,
    validation::CHECKS,
    pods::CHECKS,
    namespaces::CHECKS,
    discovery::CHECKS,
];

/// Checks everything in a namespace of its own, which is removed afterwards.
///
/// # Errors
/// If the server cannot be reached or refuses the namespace.
pub fn check_api(server: &Server, progress: impl Fn(&str)) -> anyhow::Result<Report> {
    let made = Made::new(server, "plimsoll-conformance-")?;
    progress(&format!("namespace {}", made.name()));
    let ran = crate::bench::block_on(run(server, made.name()));
    let removed = made.remove();
    let report = ran?;
    removed.context("the suite's namespace could not be removed")?;
    Ok(report)
}

async fn run(server: &Server, namespace: &str) -> anyhow::Result<Report> {
    let mut api = Api::connect(server, namespace).await?;
    let mut findings = Vec::new();
    for check in GROUPS.iter().copied().flatten() {
        api.begin();
        let found = (check.run)(&mut api).await;
        let (outcome, details) = match found {
            Ok(()) if api.instances() == 0 => (
                Outcome::Inconclusive,
                vec!["nothing telling was seen".to_owned()],
            ),
            Ok(()) => (Outcome::Kept, Vec::new()),
            Err(Wrong::Broken(what)) => (Outcome::Broken, vec![what]),
            Err(Wrong::Unknown(error)) => {
                api.reconnect().await?;
                (Outcome::Inconclusive, vec![format!("{error:#}")])
            }
        };
        findings.push(Finding {
            name: check.name.replace('_', "-"),
            promise: check.promise.to_owned(),
            source: check.source.named().to_owned(),
            outcome,
            instances: api.instances(),
            details,
        });
    }
    Ok(Report {
        suite: "api",
        findings,
        figures: vec![("requests", api.requests())],
    })
}
