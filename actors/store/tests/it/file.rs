//! The store's file: what it keeps, and which files it does not take.

use std::fs;
use std::path::Path;

use model::machines::store::{Change, Durable, Record, Version};
use model::objects::bytes::Bytes;
use plimsoll_store::disk::{DiskError, StoreFile};
use proptest::prelude::*;

fn version(revision: u64, value: Option<Vec<u8>>) -> Version<Bytes> {
    let lives = u64::from(value.is_some());
    Version {
        mod_revision: revision,
        create_revision: revision * lives,
        version: lives,
        lease: lives * (revision % 3),
        value: value.map(Bytes::from),
    }
}

/// Batches of records as a machine makes them: revisions without gaps, compactions behind them.
fn batches() -> impl Strategy<Value = Vec<Vec<Record<Bytes>>>> {
    let value = prop::option::weighted(0.8, prop::collection::vec(any::<u8>(), 0..300));
    let change = ("[a-c]{1,2}", value);
    let step = prop_oneof![
        6 => prop::collection::vec(change, 1..4).prop_map(Some),
        1 => Just(None),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..5), 1..20).prop_map(|batches| {
        let (mut revision, mut compacted) = (1, 0);
        let mut base = std::collections::BTreeMap::new();
        let mut record = |step: Option<Vec<(String, Option<Vec<u8>>)>>| match step {
            Some(changes) => {
                revision += 1;
                let changes: Vec<Change<Bytes>> = changes
                    .into_iter()
                    .map(|(key, value)| Change {
                        key: key.as_str().into(),
                        now: version(revision, value),
                    })
                    .collect();
                for change in &changes {
                    base.insert(
                        change.key.clone(),
                        Some(change.now.clone()).filter(|now| now.value.is_some()),
                    );
                }
                Record::Revision { revision, changes }
            }
            None if revision > compacted => {
                compacted = revision;
                Record::Compacted {
                    through: revision,
                    base: std::mem::take(&mut base).into_iter().collect(),
                }
            }
            None => Record::LeaseGranted {
                lease: revision,
                ttl_seconds: 5,
            },
        };
        batches
            .into_iter()
            .map(|batch| batch.into_iter().map(&mut record).collect())
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// The file is what the model's [`Durable`] is.
    #[test]
    fn a_file_holds_what_the_model_says(batches in batches()) {
        let directory = tempfile::tempdir().unwrap();
        let mut durable = Durable::default();
        let mut file = StoreFile::open(directory.path()).unwrap();
        for (nth, batch) in batches.into_iter().enumerate() {
            file.commit(&batch).unwrap();
            batch.into_iter().for_each(|record| durable.apply(record));
            if nth % 4 == 0 {
                drop(file);
                file = StoreFile::open(directory.path()).unwrap();
            }
            prop_assert_eq!(&file.load().unwrap(), &durable);
        }
    }
}

fn refusal(directory: &Path) -> DiskError {
    match StoreFile::open(directory).and_then(|mut file| file.load()) {
        Ok(found) => panic!("it was taken: {found:?}"),
        Err(error) => error,
    }
}

#[test]
fn files_of_others_are_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    for content in [&b"SQLite format 3\0 and more of it"[..], &[0; 4096], b"x"] {
        fs::write(&path, content).unwrap();
        let error = refusal(directory.path());
        assert!(matches!(error, DiskError::Foreign { .. }), "{error}");
        assert!(
            error.to_string().contains("is not a readable store"),
            "{error}"
        );
        assert_eq!(
            fs::read(&path).unwrap(),
            content,
            "a file of another was changed"
        );
    }
    fs::remove_file(&path).unwrap();
    let table: redb::TableDefinition<&str, u64> = redb::TableDefinition::new("somebody else's");
    let database = redb::Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(table).unwrap().insert("a", 1).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = refusal(directory.path());
    assert!(
        error.to_string().contains("a redb file of another program"),
        "{error}"
    );
}

#[test]
fn another_format_is_named() {
    let directory = tempfile::tempdir().unwrap();
    drop(StoreFile::open(directory.path()).unwrap());
    let format: redb::TableDefinition<&str, u64> = redb::TableDefinition::new("format");
    let database = redb::Database::create(directory.path().join("store.redb")).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(format)
        .unwrap()
        .insert("version", 7)
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let error = refusal(directory.path()).to_string();
    assert!(
        error.contains("data format 7, this program reads format 1"),
        "{error}"
    );
}

/// A file of 200 revisions: its bytes and what it holds.
fn written(directory: &Path) -> (Vec<u8>, Durable<Bytes>) {
    let mut file = StoreFile::open(directory).unwrap();
    for revision in 2..200 {
        let now = version(revision, Some(vec![7; 2000]));
        let changes = vec![Change {
            key: format!("k{revision}").as_str().into(),
            now,
        }];
        file.commit(&[Record::Revision { revision, changes }])
            .unwrap();
    }
    let whole = file.load().unwrap();
    drop(file);
    (fs::read(directory.join("store.redb")).unwrap(), whole)
}

/// Opens each of these files: it is refused with a reason, or holds everything. How many were refused.
fn refused(
    directory: &Path,
    whole: &Durable<Bytes>,
    damaged: impl Iterator<Item = (String, Vec<u8>)>,
) -> usize {
    let path = directory.join("store.redb");
    let mut refused = 0;
    for (damage, content) in damaged {
        fs::write(&path, &content).unwrap();
        match StoreFile::open(directory).and_then(|mut file| file.load()) {
            Ok(found) => assert_eq!(&found, whole, "{damage}"),
            Err(error) => {
                refused += 1;
                assert!(
                    error.to_string().contains("store.redb"),
                    "{damage}: {error}"
                );
            }
        }
        fs::remove_file(&path).unwrap();
    }
    refused
}

#[test]
fn a_torn_file_is_refused_or_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (content, whole) = written(directory.path());
    let cuts = (1..32).map(|part| {
        (
            format!("cut at {part}/32"),
            content[..content.len() * part / 32].to_vec(),
        )
    });
    assert!(refused(directory.path(), &whole, cuts) > 8);
}

#[test]
fn a_damaged_file_is_refused_or_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (content, whole) = written(directory.path());
    let flips = (0..content.len()).step_by(content.len() / 150).map(|at| {
        let mut content = content.clone();
        content[at] ^= 0x10;
        (format!("byte {at} of {}", content.len()), content)
    });
    assert!(refused(directory.path(), &whole, flips) > 20);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "").unwrap();
    let error = refusal(&path.join("store"));
    assert!(matches!(error, DiskError::Unusable { .. }), "{error}");
    assert!(error.to_string().starts_with("cannot use "), "{error}");
}

/// Under steady updates the file reaches a size and stays there.
#[test]
fn steady_updates_do_not_make_the_file_grow() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let mut file = StoreFile::open(directory.path()).unwrap();
    let (mut revision, mut sizes) = (1, Vec::new());
    for commit in 1..=160 {
        let mut records: Vec<Record<Bytes>> = (0..64)
            .map(|_| {
                revision += 1;
                let key = format!("k{}", revision % 50);
                let now = version(revision, Some(vec![7; 2000]));
                Record::Revision {
                    revision,
                    changes: vec![Change {
                        key: key.as_str().into(),
                        now,
                    }],
                }
            })
            .collect();
        if let Some(through) =
            u64::checked_sub(revision, 1000).filter(|through| commit % 2 == 0 && *through > 50)
        {
            let base = (through - 49..=through).map(|revision| {
                let key = format!("k{}", revision % 50);
                (
                    key.as_str().into(),
                    Some(version(revision, Some(vec![7; 2000]))),
                )
            });
            records.push(Record::Compacted {
                through,
                base: base.collect(),
            });
        }
        file.commit(&records).unwrap();
        if commit % 40 == 0 {
            sizes.push(fs::metadata(&path).unwrap().len());
        }
    }
    assert!(
        sizes[3] <= sizes[1],
        "sizes after every 2560 updates: {sizes:?}"
    );
    file.load().unwrap();
}
