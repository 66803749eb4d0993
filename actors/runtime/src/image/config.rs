//! What an image says about the process it is for.

use oci_spec::image::ImageConfiguration;
use serde::{Deserialize, Serialize};

/// The part of an image's configuration that containers are made from
/// (OCI image specification, `config.md`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageConfig {
    /// `NAME=VALUE`.
    pub(crate) env: Vec<String>,
    /// Program and first arguments.
    pub(crate) entrypoint: Vec<String>,
    /// Further arguments, or the program without an entry point.
    pub(crate) cmd: Vec<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`; empty is root.
    pub(crate) user: String,
    /// Empty is `/`.
    pub(crate) working_dir: String,
    /// Number of the signal that stops it.
    pub(crate) stop_signal: i32,
}

impl ImageConfig {
    /// Errors on a stop signal that is none.
    pub(crate) fn read(configuration: &ImageConfiguration) -> Result<Self, String> {
        let Some(config) = configuration.config() else {
            return Ok(Self {
                stop_signal: nix::libc::SIGTERM,
                ..Self::default()
            });
        };
        Ok(Self {
            env: config.env().clone().unwrap_or_default(),
            entrypoint: config.entrypoint().clone().unwrap_or_default(),
            cmd: config.cmd().clone().unwrap_or_default(),
            user: config.user().clone().unwrap_or_default(),
            working_dir: config.working_dir().clone().unwrap_or_default(),
            stop_signal: match config.stop_signal() {
                Some(text) => signal_number(text)?,
                None => nix::libc::SIGTERM,
            },
        })
    }
}

/// `SIGTERM`, `TERM`, `15` or `SIGRTMIN+3` as a number.
fn signal_number(text: &str) -> Result<i32, String> {
    const NUMBER_MAX: i32 = 64;
    let refused = || format!("{text:?} is not a signal");
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=NUMBER_MAX).contains(&number) {
            Ok(number)
        } else {
            Err(refused())
        };
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if let Some(offset) = name.strip_prefix("RTMIN") {
        let offset: i32 = if offset.is_empty() {
            0
        } else {
            offset.parse().map_err(|_| refused())?
        };
        let number = nix::libc::SIGRTMIN()
            .checked_add(offset)
            .ok_or_else(refused)?;
        return if number <= NUMBER_MAX {
            Ok(number)
        } else {
            Err(refused())
        };
    }
    format!("SIG{name}")
        .parse::<nix::sys::signal::Signal>()
        .map(|s| s as i32)
        .map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_by_name_and_number() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("quit", 3),
            ("9", 9),
            ("SIGRTMIN+3", nix::libc::SIGRTMIN() + 3),
        ] {
            assert_eq!(signal_number(text), Ok(number), "{text}");
        }
        for text in ["", "0", "65", "-1", "SIGNOTHING", "SIGRTMIN+99", "RTMIN+x"] {
            assert!(signal_number(text).is_err(), "{text}");
        }
    }
}
