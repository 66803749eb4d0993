//! The vocabulary of the Container Runtime Interface: plain configuration and status.
//!
//! Names and meanings are those of kubernetes/cri-api `pkg/apis/runtime/v1/api.proto`. The types
//! travel to the shim (bincode) and lie in its state directory (JSON).

mod container;
mod event;
mod exec;
mod id;
mod image;
mod mount;
mod resources;
mod sandbox;
mod security;

pub use container::{ContainerConfig, ContainerState, ContainerStatus, EnvVar, reason};
pub use event::ContainerEvent;
pub use exec::{ExecConfig, ExecSession, TerminalSize};
pub use id::{ContainerId, SandboxId};
pub use image::{Image, RuntimeVersion};
pub use mount::Mount;
pub use resources::Resources;
pub use sandbox::{DnsConfig, HostAlias, PodSandboxConfig, PodSandboxStatus, SandboxState};
pub use security::SecurityContext;
