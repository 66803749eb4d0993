//! How long events live.

use std::fmt;
use std::str::FromStr;

use model::rules::duration;

/// A year, in seconds.
const LONGEST_SECONDS: u32 = 365 * 24 * 3600;

/// How long an event lives after its last write, in Kubernetes' notation: whole seconds, at least one, at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTtl(u32);

impl EventTtl {
    /// In seconds.
    pub fn as_seconds(self) -> u32 {
        self.0
    }
}

impl Default for EventTtl {
    /// As kube-apiserver has it.
    fn default() -> Self {
        EventTtl(3600)
    }
}

impl fmt::Display for EventTtl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration::seconds(self.0))
    }
}

impl FromStr for EventTtl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let nanoseconds = duration::parse(text).map_err(|error| error.to_string())?;
        let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        if rest != 0 {
            return Err("events live for whole seconds".to_owned());
        }
        if seconds == 0 {
            return Err("events live for a second at least".to_owned());
        }
        match u32::try_from(seconds) {
            Ok(seconds) if seconds <= LONGEST_SECONDS => Ok(EventTtl(seconds)),
            _ => Err(format!(
                "events live for a year at most, that is {}",
                EventTtl(LONGEST_SECONDS)
            )),
        }
    }
}
