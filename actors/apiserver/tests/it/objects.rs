//! Bodies through decoding, defaults, admission and validation, as writes take them: the files in `cases`.
//!
//! A case begins with `=== METHOD PLURAL[/SUBRESOURCE] [Strict|Warn|Ignore] NAME`, `METHOD` being that of HTTP,
//! and holds a body. Two bodies, parted by a line `---`, are the present object and what a `PUT` or `PATCH` (with
//! `json`, `merge` or `strategic` in place of the validation, which is `Strict` unless it follows behind a `/`) makes
//! of it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use apiserver::api::accept;
use apiserver::http::path::Place;
use apiserver::kinds::{self, Row};
use apiserver::strategy::{Change, FieldValidation, Kinds};
use model::machine::Now;
use model::machines::transaction::{Context, Strategy};
use model::messages::api::PatchType;
use model::objects::key::ObjectKey;
use model::objects::kinds::Subresource;
use model::objects::status::Status;
use serde_json::Value;

/// 2026-01-02T03:04:05Z.
const NOW: Now = Now(1_767_323_045_000);

#[test]
fn cases() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    files.sort();
    assert!(files.len() > 3, "the cases are gone");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file of cases");
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        insta::assert_snapshot!(name, play(&text));
    }
}

fn play(text: &str) -> String {
    let mut out = String::new();
    for case in text.split("=== ").skip(1) {
        let (head, bodies) = case.split_once('\n').expect("a body");
        let result = run(head, bodies.trim());
        writeln!(out, "=== {head}\n{result}").expect("a string takes all");
    }
    out
}

fn run(head: &str, bodies: &str) -> String {
    let mut words = head.split(' ');
    let (method, resource, how) = (next(&mut words), next(&mut words), next(&mut words));
    let place = place(resource);
    match bodies.split_once("\n---\n") {
        None => shown(create(&place, bodies, how)),
        Some((present, body)) => {
            let (present, _) =
                create(&place, present, "Ignore").expect("the present object is valid");
            shown(update(method, &place, &present, body, how))
        }
    }
}

fn next<'a>(words: &mut impl Iterator<Item = &'a str>) -> &'a str {
    words.next().expect("a head of four words")
}

fn place(resource: &str) -> Place {
    let (plural, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let row: &'static Row = kinds::rows()
        .iter()
        .find(|row| row.kind.plural == plural)
        .expect("a kind");
    Place {
        row,
        namespace: if row.kind.namespaced {
            "default".to_owned()
        } else {
            String::new()
        },
        name: "a".to_owned(),
        subresource: row
            .kind
            .subresources
            .iter()
            .copied()
            .find(|one| one.as_str() == sub),
    }
}

fn validation(word: &str) -> FieldValidation {
    FieldValidation::parse(word, "CreateOptions").expect("Strict, Warn or Ignore")
}

type Made = Result<(Value, Vec<String>), Status>;

fn create(place: &Place, body: &str, how: &str) -> Made {
    let whole = Place {
        subresource: None,
        ..place.clone()
    };
    let accepted = accept(&whole, body.as_bytes(), validation(how))?;
    let key = place.key();
    let context = context(&key, None);
    let change = Change::Whole(Arc::new(accepted.object));
    let draft = Kinds.create(context, &change)?;
    Kinds.validate(context, &draft, None)?;
    Ok((draft, accepted.warnings))
}

fn update(method: &str, place: &Place, present: &Value, body: &str, how: &str) -> Made {
    let key = place.key();
    let context = context(&key, place.subresource);
    let (kind, how) = how.split_once('/').unwrap_or((how, "Strict"));
    let patch = |kind| {
        let change = Change::Patch {
            patch: kind,
            body: body.as_bytes().into(),
            validation: validation(how),
        };
        let warnings = match how {
            "Warn" => change.warnings(place, present),
            _ => Vec::new(),
        };
        (change, warnings)
    };
    let (change, warnings) = match (method, kind) {
        ("PATCH", "json") => patch(PatchType::Json),
        ("PATCH", "merge") => patch(PatchType::Merge),
        ("PATCH", "strategic") => patch(PatchType::StrategicMerge),
        _ => {
            let how = kind;
            let accepted = accept(place, body.as_bytes(), validation(how))?;
            (Change::Whole(Arc::new(accepted.object)), accepted.warnings)
        }
    };
    let draft = Kinds.update(context, present, &change)?;
    Kinds.validate(context, &draft, Some(present))?;
    Ok((draft, warnings))
}

fn context(key: &ObjectKey, subresource: Option<Subresource>) -> Context<'_> {
    Context {
        key,
        subresource,
        now: NOW,
    }
}

fn shown(made: Made) -> String {
    match made {
        Ok((object, warnings)) => {
            let mut text = serde_json::to_string_pretty(&object).expect("JSON");
            for warning in warnings {
                write!(text, "\nwarning: {warning}").expect("a string takes all");
            }
            text
        }
        Err(status) => {
            let mut text = format!(
                "{} {:?}: {}",
                status.reason.code(),
                status.reason,
                status.message
            );
            for cause in &status.details.causes {
                write!(
                    text,
                    "\n  {} {}: {}",
                    cause.reason, cause.field, cause.message
                )
                .expect("a string takes all");
            }
            text
        }
    }
}
