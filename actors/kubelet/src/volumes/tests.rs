//! Files that change together, and paths that stay inside.

use std::os::unix::fs::MetadataExt;

use super::*;

fn files(list: &[(&str, &str)]) -> Files {
    let each = list.iter();
    each.map(|(path, text)| (PathBuf::from(path), (text.as_bytes().to_vec(), 0o640)))
        .collect()
}

#[test]
fn files_change_together() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| fs::read_to_string(directory.path().join(name)).ok();
    write(directory.path(), &files(&[("a", "1"), ("d/e", "1")]), None).expect("written");
    assert_eq!(
        (at("a"), at("d/e")),
        (Some("1".to_owned()), Some("1".to_owned()))
    );
    write(directory.path(), &files(&[("a", "2"), ("b", "2")]), None).expect("written");
    assert_eq!(
        (at("a"), at("b"), at("d/e")),
        (Some("2".to_owned()), Some("2".to_owned()), None)
    );
    write(directory.path(), &files(&[("a", "3")]), None).expect("written");
    assert_eq!((at("a"), at("b")), (Some("3".to_owned()), None));
    let mode = fs::metadata(directory.path().join("a"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    let names: Vec<_> = fs::read_dir(directory.path())
        .expect("a directory")
        .collect();
    assert_eq!(names.len(), 3, "a, ..data and its directory: {names:?}");
}

#[test]
fn paths_stay_inside() {
    assert!(inside("a/b").is_ok());
    for path in ["", "/a", "../a", "a/../b", "."] {
        assert!(inside(path).is_err(), "{path}");
    }
}

#[test]
fn host_paths_are_checked() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = |name: &str, kind: &str| HostPath {
        path: directory.path().join(name).display().to_string(),
        kind: kind.to_owned(),
    };
    assert!(host_path(&host("none", "Directory")).is_err());
    assert!(host_path(&host("made", "DirectoryOrCreate")).is_ok());
    assert!(host_path(&host("made", "Directory")).is_ok());
    assert!(host_path(&host("made", "File")).is_err());
    assert!(host_path(&host("file", "FileOrCreate")).is_ok());
    assert!(host_path(&host("file", "DirectoryOrCreate")).is_err());
}

#[test]
fn a_key_may_be_projected_to_several_paths() {
    let found = Entries {
        data: BTreeMap::from([("key".to_owned(), b"text".to_vec())]),
        ..Entries::default()
    };
    let items = ["one", "two/three"].map(|path| KeyToPath {
        key: "key".to_owned(),
        path: path.to_owned(),
        ..KeyToPath::default()
    });
    let kind = Kind::ConfigMap;
    let files = select(kind, "default", "map", Some(found), &items, None, false);
    let files = files.expect("the key is there");
    let expected = (b"text".to_vec(), 0o644);
    assert_eq!(files[Path::new("one")], expected);
    assert_eq!(files[Path::new("two/three")], expected);
}

#[test]
fn a_group_owns_what_it_may_read_or_write() {
    let directory = tempfile::tempdir().expect("a directory");
    // Only root may give a file to a group that it is not in.
    let own = fs::metadata(directory.path()).expect("metadata").gid();
    let group = if cfg!(root) { 4711 } else { own };
    let seen = |path: &str| {
        let found = fs::metadata(directory.path().join(path)).expect(path);
        (found.gid(), found.mode() & 0o7777)
    };
    let wanted = Some(i64::from(group));

    set_mode(directory.path(), 0o755).expect("a mode");
    let mut secret = files(&[("a", "1"), ("d/e/f", "1")]);
    for (_, mode) in secret.values_mut() {
        *mode = 0o400;
    }
    // The second time everything is there already and stays.
    for _ in 0..2 {
        write(directory.path(), &secret, wanted).expect("written");
        assert_eq!((seen("a"), seen("d/e/f")), ((group, 0o440), (group, 0o440)));
        for path in ["", "..data", "d", "d/e"] {
            assert_eq!(seen(path), (group, 0o2755), "{path}");
        }
        let data = fs::read_link(directory.path().join("..data")).expect("a link");
        assert_eq!(data.as_os_str(), "..1");
    }

    set_mode(directory.path(), 0o700).expect("a mode");
    own_directory(directory.path(), wanted, WRITABLE).expect("owned");
    assert_eq!(seen(""), (group, 0o2770));
    own_directory(directory.path(), None, WRITABLE).expect("nothing to do");
}
