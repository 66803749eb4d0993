//! The repository as the rules see it: its files, its crates, and source text without comments.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        tests
            .parent()
            .expect("the package lies one below the root")
            .to_owned()
    })
}

/// Every file below `folder`, sorted, without hidden files and build output.
pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder") {
            let entry = entry.expect("a readable folder");
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') || name == "target" {
                continue;
            }
            if entry.file_type().expect("a readable entry").is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Every `.rs` file below `folder`.
pub(super) fn rust_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = files_below(folder);
    files.retain(|file| file.extension().is_some_and(|ending| ending == "rs"));
    files
}

/// The text of a file.
pub(super) fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A path as the repository names it.
pub(super) fn shown(file: &Path) -> String {
    file.strip_prefix(root())
        .unwrap_or(file)
        .display()
        .to_string()
}

/// A crate of the workspace, as its manifest declares it.
pub(super) struct Package {
    /// Its folder below the root: `model`, `actors/store`.
    pub(super) folder: String,
    /// Its manifest's text.
    pub(super) manifest: String,
    /// The source files that cargo starts from.
    pub(super) roots: Vec<PathBuf>,
    /// What it names: normal, build and development dependencies.
    pub(super) dependencies: Vec<Dependency>,
}

/// One dependency that a manifest names.
pub(super) struct Dependency {
    /// The package's name.
    pub(super) name: String,
    /// Its folder below the root, if it is one of ours.
    pub(super) folder: Option<String>,
    /// Whether only tests and examples use it.
    pub(super) development: bool,
}

/// The crates of the workspace, as cargo itself reads the manifests.
pub(super) fn packages() -> &'static [Package] {
    static PACKAGES: OnceLock<Vec<Package>> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--no-deps",
                "--offline",
                "--format-version",
                "1",
            ])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
        metadata["packages"]
            .as_array()
            .expect("packages")
            .iter()
            .map(package)
            .collect()
    })
}

fn package(value: &Value) -> Package {
    let path = |value: &Value| PathBuf::from(value.as_str().expect("a path"));
    let below_root = |path: &Path| {
        path.strip_prefix(root())
            .map(|path| path.display().to_string())
            .ok()
    };
    let manifest = path(&value["manifest_path"]);
    let dependencies = value["dependencies"].as_array().expect("dependencies");
    Package {
        folder: below_root(manifest.parent().expect("a manifest lies in a folder"))
            .expect("a member"),
        manifest: read(&manifest),
        roots: value["targets"]
            .as_array()
            .expect("targets")
            .iter()
            .map(|target| path(&target["src_path"]))
            .collect(),
        dependencies: dependencies
            .iter()
            .map(|dependency| Dependency {
                name: dependency["name"].as_str().expect("a name").to_owned(),
                folder: dependency["path"]
                    .as_str()
                    .and_then(|path| below_root(Path::new(path))),
                development: dependency["kind"] == "dev",
            })
            .collect(),
    }
}

/// Source text with comments and the contents of string and character literals blanked out, line breaks kept:
/// what a rule about names looks through.
pub(super) fn code_of(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['r', '"', ..] | ['r', '#', ..] if !continues_name(&code) => {
                raw_string(rest).unwrap_or(0)
            }
            ['"', ..] => quoted(rest, '"'),
            ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
            _ => 0,
        };
        if length == 0 {
            code.push(bytes[at]);
            at += 1;
        } else {
            code.extend(
                rest[..length]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at += length;
        }
    }
    code
}

fn continues_name(code: &str) -> bool {
    code.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    let body = &rest[hashes + 2..];
    let length = body.windows(end.len()).position(|window| window == end)?;
    Some(hashes + 2 + length + end.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// Whether `code` holds `word` with no letter, digit or underscore next to it.
pub(super) fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "let a = \"x // HashMap\"; // HashMap\nlet b = r#\"HashMap\"#; /* HashMap /* in */ */ 'H' c::<'a>";
    let code = code_of(text);
    assert!(!names(&code, "HashMap"), "{code}");
    assert!(
        names(&code, "c") && names(&code, "b") && !names(&code, "H"),
        "{code}"
    );
    assert_eq!(code.lines().count(), text.lines().count());
}
