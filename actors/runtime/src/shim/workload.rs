//! The last steps inside a container before its program replaces the shim's code.

use std::collections::HashMap;
use std::env;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use libcontainer::oci_spec::runtime::Spec;
use libcontainer::workload::default::DefaultExecutor;
use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use nix::errno::Errno;
use nix::unistd::execvp;

use super::signals;

/// Longest message about a program that cannot be executed.
const MESSAGE_BYTES_MAX: u64 = 4096;

/// Executes the container's program, or says through a pipe why it cannot. libcontainer itself loses
/// the reason: it is found after the caller was told that the container has started.
#[derive(Clone)]
pub(super) struct Workload {
    refusal: Arc<OwnedFd>,
}

/// The other end of the pipe: closed without a word once the program runs.
pub(super) struct Refusals(File);

impl Workload {
    pub(super) fn new() -> std::io::Result<(Self, Refusals)> {
        let (reader, writer) = std::io::pipe()?;
        let workload = Self {
            refusal: Arc::new(writer.into()),
        };
        Ok((workload, Refusals(File::from(OwnedFd::from(reader)))))
    }
}

impl Refusals {
    /// Waits until the program runs; errors with the reason why it does not. All of the [`Workload`]
    /// that belongs to this process must have been dropped.
    pub(super) fn wait(self) -> Result<(), String> {
        let mut message = String::new();
        let read = self.0.take(MESSAGE_BYTES_MAX).read_to_string(&mut message);
        match read {
            Ok(0) => Ok(()),
            Ok(_) => Err(message),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Executor for Workload {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let error = execute(spec);
        if let Ok(pipe) = self.refusal.try_clone() {
            let _ = File::from(pipe).write_all(error.as_bytes());
        }
        Err(ExecutorError::Other(error))
    }

    /// As runc: a user without a home in the image is at home in `/`.
    fn setup_envs(&self, mut envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        let home = envs.entry("HOME".to_owned()).or_default();
        if home.is_empty() {
            "/".clone_into(home);
        }
        DefaultExecutor {}.setup_envs(envs)
    }

    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        Ok(())
    }
}

/// Replaces this process by the program; returns why that failed, in runc's words, which users know.
fn execute(spec: &Spec) -> String {
    let args = spec
        .process()
        .as_ref()
        .and_then(|process| process.args().as_ref());
    let Some((name, args)) = args.and_then(|args| Some((args.first()?, args))) else {
        return "no command specified".to_owned();
    };
    let c_args: Result<Vec<CString>, _> = args
        .iter()
        .map(|arg| CString::new(arg.as_bytes()))
        .collect();
    let Ok(c_args) = c_args else {
        return "a command must not hold a zero byte".to_owned();
    };
    if let Err(error) = signals::restore_defaults() {
        return format!("cannot restore signals: {error}");
    }
    let Err(error) = execvp(&c_args[0], &c_args);
    match error {
        Errno::ENOENT if !name.contains('/') => {
            format!("exec: {name:?}: executable file not found in $PATH")
        }
        Errno::ENOENT if Path::new(name).exists() => {
            format!("exec: {name:?}: its interpreter or loader is not in the image")
        }
        Errno::ENOENT => format!("exec: {name:?}: stat {name}: no such file or directory"),
        Errno::EACCES => format!("exec: {name:?}: permission denied"),
        Errno::ENOEXEC => format!("exec: {name:?}: exec format error"),
        other => format!(
            "exec: {name:?}: {other} (in {:?})",
            env::current_dir().unwrap_or_default()
        ),
    }
}
