//! The drivers of the suites: clients of any Kubernetes API server, who write down what they see. What they saw is judged
//! by `conformance::suite`; the checks of [`api`] judge each answer by itself.

mod api;
mod clock;
mod objects;
mod pods;
mod random;
mod readers;
mod report;
mod session;
mod watchers;
mod writers;

pub use api::check_api;
pub use pods::check_pods;
pub use report::Report;
pub use session::{Plan, observe};
