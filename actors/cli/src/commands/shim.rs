//! `plimsoll shim`: holds one pod. The kubelet starts it; people do not.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

/// Hold one pod (started by the kubelet).
#[derive(Debug, Args)]
pub struct Shim {
    /// What the runtime says.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Shim {
    /// Becomes the shim. No thread and no event loop exists before it.
    pub fn become_it(self) -> ExitCode {
        runtime::shim_main(self.arguments)
    }
}
