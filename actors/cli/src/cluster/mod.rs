//! A cluster on this machine: its directory, its certificates, its components and who looks after them.

mod data_dir;
mod incarnations;
mod kubeconfig;
mod logging;
mod pki;
mod plan;
mod ports;
mod processes;
mod progress;
mod supervision;
mod tasks;
mod traces;

pub use data_dir::{DataDir, default_data_dir, present_data_dir};
pub use kubeconfig::write_kubeconfig;
pub use logging::log_to;
pub use pki::{API_CERTIFICATE, Pki, read_credentials};
pub use plan::{ApiServing, Plan};
pub use ports::free_udp;
pub use processes::{FAILED, Processes, READY};
pub use progress::{Progress, say};
pub use supervision::{Notice, supervise};
pub use tasks::Tasks;
pub use traces::forget_old_traces;
