//! What kubectl printed, with everything that differs between two runs replaced by a word in brackets.

use crate::cluster::Cluster;

/// Normalises a text of this cluster.
pub(super) fn normalised(text: &str, cluster: &Cluster) -> String {
    let text = text
        .replace(&cluster.api().to_string(), "[api]")
        .replace(&cluster.path().display().to_string(), "[dir]");
    let prefix = cluster.pod_prefix();
    let mut result = String::new();
    for line in text.lines() {
        result.push_str(&normalised_line(line, &prefix));
        result.push('\n');
    }
    result
}

/// Fields of `kubectl describe`, `version`, JSON and YAML whose whole value differs between two runs or two machines.
const VARYING: &[&str] = &[
    "Client Version:",
    "Kustomize Version:",
    "resourceVersion:",
    "\"resourceVersion\":",
    "Start Time:",
    "Started:",
    "Finished:",
    "Container ID:",
    "Image ID:",
    "imageID:",
    "Resource Version:",
    "DiskPressure ",
    "cpu:",
    "memory:",
    "ephemeral-storage:",
    "cpu  ",
    "Machine ID:",
    "System UUID:",
    "Kernel Version:",
    "OS Image:",
    "Architecture:",
    "PodCIDR:",
    "PodCIDRs:",
];

fn normalised_line(line: &str, pod_prefix: &str) -> String {
    let line = &without_dates(line);
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    if let Some(field) = VARYING
        .iter()
        .find(|field| line.trim_start().starts_with(*field))
    {
        return format!("{indent}{field}   [varies]");
    }
    let mut kept = indent;
    let mut word = String::new();
    let mut blanks = 0;
    for c in line.trim_start_matches(' ').chars().chain(['\n']) {
        let separates = c.is_whitespace()
            || matches!(c, '"' | ',' | '(' | ')' | '=' | '{' | '}' | '[' | ']' | ';');
        if !separates {
            if blanks > 0 {
                // The width of a column depends on what else is in it.
                kept.push_str(if blanks == 1 { " " } else { "   " });
                blanks = 0;
            }
            word.push(c);
            continue;
        }
        kept.push_str(&replaced(&word, pod_prefix));
        word.clear();
        if c == ' ' || c == '\t' {
            blanks += if c == '\t' { 2 } else { 1 };
        } else if c != '\n' {
            if blanks > 0 {
                kept.push_str(if blanks == 1 { " " } else { "   " });
                blanks = 0;
            }
            kept.push(c);
        }
    }
    kept
}

/// The line with `[time]` in place of each date as `kubectl describe` tells it (RFC 1123).
fn without_dates(line: &str) -> String {
    const LONG: usize = "Sun, 22 Nov 2026 16:52:36 +0000".len();
    let mut kept = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(", ") {
        let date = at.checked_sub(3).and_then(|at| rest.get(at..at + LONG));
        let (before, after) = match date.filter(|date| date.ends_with(" +0000")) {
            Some(_) => (at - 3, at - 3 + LONG),
            None => (at + 2, at + 2),
        };
        kept.push_str(&rest[..before]);
        if before != after {
            kept.push_str("[time]");
        }
        rest = &rest[after..];
    }
    kept + rest
}

/// The word, or what stands for every word of its sort.
fn replaced(word: &str, pod_prefix: &str) -> String {
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_uid = |text: &str| {
        let groups: Vec<&str> = text.split('-').collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups.iter().all(|group| hex(group))
    };
    if is_age(word) {
        "[age]".to_owned()
    } else if is_uid(word) {
        "[uid]".to_owned()
    } else if let Some((_, rest)) = word.split_once('_').filter(|(head, _)| is_uid(head)) {
        // A container's name begins with its pod's UID.
        format!("[uid]_{rest}")
    } else if word.len() >= 20
        && word.as_bytes()[4] == b'-'
        && word.contains('T')
        && word.ends_with('Z')
    {
        "[time]".to_owned()
    } else if word
        .strip_prefix(pod_prefix)
        .is_some_and(|rest| rest.split('.').all(|part| part.parse::<u16>().is_ok()))
    {
        "[ip]".to_owned()
    } else if let Some((before, rest)) = word.split_once("://").and_then(|(before, id)| {
        let (uid, rest) = id.split_once('_')?;
        is_uid(uid).then_some((before, rest))
    }) {
        format!("{before}://[uid]_{rest}")
    } else if let Some((before, _)) = word
        .rsplit_once('.')
        .filter(|(_, suffix)| suffix.len() == 16 && hex(suffix))
    {
        // An event's name ends with its time.
        format!("{before}.[time]")
    } else if let Some((before, suffix)) = word
        .rsplit_once('-')
        .filter(|(_, suffix)| is_generated(suffix))
    {
        let _ = suffix;
        format!("{before}-[name]")
    } else {
        word.to_owned()
    }
}

/// `5s`, `2m3s`, `<invalid>`: how kubectl tells an age.
fn is_age(word: &str) -> bool {
    let digits_then_unit = |part: &str| {
        part.len() > 1
            && part[..part.len() - 1]
                .bytes()
                .all(|byte| byte.is_ascii_digit())
    };
    let mut rest = word;
    if rest == "<invalid>" {
        return true;
    }
    while let Some(at) = rest.find(['s', 'm', 'h', 'd']) {
        if !digits_then_unit(&rest[..=at]) {
            return false;
        }
        rest = &rest[at + 1..];
        if rest.is_empty() {
            return true;
        }
    }
    false
}

/// Five characters as the API server generates names: consonants and digits without look-alikes.
fn is_generated(suffix: &str) -> bool {
    suffix.len() == 5
        && suffix
            .bytes()
            .all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
}

#[test]
fn what_differs_between_runs_is_replaced() {
    let line = |text: &str| normalised_line(text, "10.100.");
    assert_eq!(
        line("web-x7k2b   1/1     Running   0          12s   10.100.1.2"),
        "web-[name]   1/1   Running   0   [age]   [ip]"
    );
    assert_eq!(
        line("  uid: 01234567-89ab-4cde-8f01-23456789abcd"),
        "  uid: [uid]"
    );
    assert_eq!(
        line("in \"01234567-89ab-4cde-8f01-23456789abcd_0_a_0\": no"),
        "in \"[uid]_0_a_0\": no"
    );
    assert_eq!(
        line("at 2026-11-21T23:20:42Z for 2m3s"),
        "at [time] for [age]"
    );
    assert_eq!(
        line(
            "  Ready  True  Sun, 22 Nov 2026 16:52:36 +0000  Sun, 22 Nov 2026 16:52:36 +0000  x, y"
        ),
        "  Ready   True   [time]   [time]   x, y"
    );
    assert_eq!(line("stays: 250m cpu, pods"), "stays: [age] cpu, pods");
    assert_eq!(line("class pods 10"), "class pods 10");
}
