//! The drivers of the suites: clients of any Kubernetes API server, or of a store, who write down what they see. What they saw is judged
//! by `conformance::suite`; the checks of [`api`] judge each answer by itself.

mod api;
mod clock;
mod objects;
mod pods;
mod random;
mod readers;
mod report;
mod session;
mod store;
mod watchers;
mod writers;

pub use api::check_api;
pub use pods::check_pods;
pub use report::Report;
pub use session::{Plan, observe};
pub use store::{observe_engine, observe_etcd, report_of_store};
