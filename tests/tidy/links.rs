//! Links between the repository's own Markdown files lead somewhere.

use std::path::{Path, PathBuf};

use super::none;
use super::sources::{files_below, read, root, shown};

#[test]
fn relative_links_resolve() {
    let mut faults = Vec::new();
    for file in files_below(root())
        .into_iter()
        .filter(|file| is_markdown(file))
    {
        let text = without_code(&read(&file));
        for target in targets(&text) {
            if let Some(fault) = broken(&file, target) {
                faults.push(format!("{}: ({target}): {fault}", shown(&file)));
            }
        }
    }
    none("links in Markdown", faults);
}

fn is_markdown(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "md")
}

fn broken(file: &Path, target: &str) -> Option<String> {
    // Paths of items are rustdoc's: a README that is a crate's or module's documentation has them.
    if target.contains("://") || target.contains("::") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let found: PathBuf = if path.is_empty() {
        file.to_owned()
    } else {
        file.parent().expect("a file lies in a folder").join(path)
    };
    if !found.exists() {
        return Some("no such file".to_owned());
    }
    let missing = !anchor.is_empty()
        && is_markdown(&found)
        && !anchors(&read(&found)).any(|known| known == anchor);
    missing.then(|| format!("no heading for #{anchor}"))
}

/// The text with fenced blocks and inline code blanked out.
fn without_code(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.extend(line.split('`').step_by(2));
        }
        kept.push('\n');
    }
    kept
}

/// What stands in the round brackets of `[text](target "title")`.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let inside = rest.split_once(')')?.0;
        inside.split_whitespace().next()
    })
}

/// The anchors that GitHub makes of a file's headings.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
}

#[test]
fn a_broken_link_is_seen() {
    let readme = root().join("README.md");
    assert_eq!(
        targets("see [a](b.md) and [c](d.md#e \"title\")").collect::<Vec<_>>(),
        ["b.md", "d.md#e"]
    );
    assert!(broken(&readme, "no/such/file.md").is_some());
    assert!(broken(&readme, "#no-such-heading").is_some());
    assert_eq!(broken(&readme, "LICENSE"), None);
    assert_eq!(
        anchors("# The path of a `pod`, in 11 steps")
            .next()
            .as_deref(),
        Some("the-path-of-a-pod-in-11-steps")
    );
}
