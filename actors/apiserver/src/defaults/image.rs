//! The tag of an image reference.

/// Whether an image is pulled each time by default: it has the tag `latest`, or neither tag nor digest.
pub(super) fn is_latest(image: &str) -> bool {
    let (name, digest) = match image.split_once('@') {
        Some((name, _)) => (name, true),
        None => (image, false),
    };
    // A colon before the last slash belongs to the registry's port.
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => !digest,
    }
}

#[cfg(test)]
mod tests {
    use super::is_latest;

    #[test]
    fn tags() {
        for image in [
            "nginx",
            "nginx:latest",
            "localhost:5000/a/b",
            "a/b:latest@sha256:00",
        ] {
            assert!(is_latest(image), "{image}");
        }
        for image in ["nginx:1.27", "localhost:5000/a/b:2", "nginx@sha256:00"] {
            assert!(!is_latest(image), "{image}");
        }
    }
}
