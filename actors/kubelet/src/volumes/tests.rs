//! Files that change together, and paths that stay inside.

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
