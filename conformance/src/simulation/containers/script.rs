//! What a simulated container does with its life, written into its arguments.

use std::time::Duration;

/// The image that simulated containers are of.
pub const IMAGE: &str = "plimsoll/simulated";

/// A container's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// How long it runs by itself; `None` for as long as it is let.
    pub runs: Option<Duration>,
    /// Its exit code if it ends by itself.
    pub exit_code: i32,
    /// How long it takes from SIGTERM to its end; one that takes longer than its grace time is killed.
    pub stops_in: Duration,
}

impl Default for Script {
    /// It runs until it is stopped, and then ends at once.
    fn default() -> Self {
        Script {
            runs: None,
            exit_code: 0,
            stops_in: Duration::from_millis(20),
        }
    }
}

impl Script {
    /// The script in a container's arguments: `runs-ms=…`, `exit=…`, `stops-ms=…`; what is not understood is
    /// left out.
    pub fn read(args: &[String]) -> Self {
        let mut script = Script::default();
        for argument in args {
            match argument.split_once('=') {
                Some(("runs-ms", ms)) => script.runs = ms.parse().ok().map(Duration::from_millis),
                Some(("exit", code)) => script.exit_code = code.parse().unwrap_or_default(),
                Some(("stops-ms", ms)) => {
                    script.stops_in = Duration::from_millis(ms.parse().unwrap_or_default());
                }
                Some(_) | None => {}
            }
        }
        script
    }

    /// The arguments that [`Script::read`] reads.
    pub fn args(&self) -> Vec<String> {
        let mut args = vec![
            format!("exit={}", self.exit_code),
            format!("stops-ms={}", self.stops_in.as_millis()),
        ];
        args.extend(
            self.runs
                .map(|runs| format!("runs-ms={}", runs.as_millis())),
        );
        args
    }
}
