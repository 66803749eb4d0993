//! The traces of a simulation, held against the specifications.

use std::collections::BTreeMap;
use std::path::Path;

use crate::check::{Rejection, judge, replays};
use crate::timeline::Timeline;

/// What the specifications reject of the timeline of a directory, and how often each machine took each action, by `MACHINE ACTION`.
///
/// # Errors
/// If a trace cannot be read.
pub fn judged(
    directory: &Path,
    timeline: &Timeline,
) -> anyhow::Result<(Vec<String>, BTreeMap<String, u64>)> {
    let mut actions = BTreeMap::new();
    for moment in &timeline.moments {
        let action = format!(
            "{} {}",
            moment.place.machine,
            word(&format!("{:?}", moment.said))
        );
        *actions.entry(action).or_default() += 1;
    }
    *actions.entry("transaction Unknown".to_owned()).or_default() += timeline.settled;
    let report = judge(timeline);
    let replayed = replays::replayed(&[directory.to_owned()])?;
    let verdicts = report.verdicts.iter().chain([&replayed]);
    let rejections = verdicts.flat_map(|verdict| {
        let told = verdict.rejections.iter();
        told.map(|rejection| rejected(verdict.specification, rejection))
    });
    Ok((rejections.collect(), actions))
}

/// The name of an action in the debug form of what its machine said: `Committed` of `Store(Committed { … })`.
fn word(said: &str) -> &str {
    let action = said.split_once('(').map_or(said, |(_, action)| action);
    let end = action.find(|letter: char| !letter.is_alphanumeric());
    end.map_or(action, |end| &action[..end])
}

/// A rejection in words.
pub fn rejected(specification: &str, rejection: &Rejection) -> String {
    let place = rejection
        .place
        .as_ref()
        .map_or_else(String::new, |place| format!(" at {place}"));
    let mut text = format!(
        "specification {specification}: {}{place}: {} is not allowed: {}; {}",
        rejection.subject, rejection.action, rejection.guard, rejection.detail
    );
    for before in &rejection.before {
        text.push_str("\n    before: ");
        text.push_str(before);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn actions_are_counted_by_their_names() {
        assert_eq!(word("Store(Committed { revision: 1 })"), "Committed");
        assert_eq!(word("Kubelet(Started(PodName { }))"), "Started");
        assert_eq!(word("Scheduler(Woken)"), "Woken");
    }
}
