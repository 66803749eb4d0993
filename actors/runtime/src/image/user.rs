//! The user a container runs as, from what was asked for, the image's wish and its `/etc/passwd`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::cri::SecurityContext;

/// Largest `passwd` or `group` file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// User and group of a container's process. `layers` are the image's, the topmost first.
/// Errors name the user or group that the image lacks.
pub(crate) fn resolve(
    wish: &str,
    security: &SecurityContext,
    layers: &[PathBuf],
) -> Result<(u32, u32), String> {
    let (user, group) = wish.split_once(':').unwrap_or((wish, ""));
    let passwd = lines(layers, "etc/passwd");
    let entry = |matches: &dyn Fn(&[&str]) -> bool| {
        passwd
            .iter()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find_map(|fields| {
                let (uid, gid) = (
                    fields.get(2)?.parse::<u32>().ok()?,
                    fields.get(3)?.parse::<u32>().ok()?,
                );
                matches(&fields).then_some((uid, gid))
            })
    };
    let by_id = |uid: u32| entry(&|fields| fields[2].parse() == Ok(uid)).map_or(0, |(_, gid)| gid);
    let (uid, own_group) = match (security.run_as_user, user) {
        (Some(uid), _) => (uid, by_id(uid)),
        (None, "") => (0, 0),
        (None, user) => match user.parse::<u32>() {
            Ok(uid) => (uid, by_id(uid)),
            Err(_) => entry(&|fields| fields[0] == user)
                .ok_or_else(|| format!("the image's user {user:?} is not in its /etc/passwd"))?,
        },
    };
    // The image's group goes with the image's user; a user asked for by the pod replaces both.
    let gid = match (security.run_as_group, security.run_as_user, group) {
        (Some(gid), _, _) => gid,
        (None, Some(_), _) | (None, None, "") => own_group,
        (None, None, group) => match group.parse::<u32>() {
            Ok(gid) => gid,
            Err(_) => lines(layers, "etc/group")
                .iter()
                .map(|line| line.split(':').collect::<Vec<_>>())
                .find_map(|f| (f[0] == group).then(|| f.get(2)?.parse().ok()).flatten())
                .ok_or_else(|| format!("the image's group {group:?} is not in its /etc/group"))?,
        },
    };
    Ok((uid, gid))
}

/// Lines of a file of an image; none if it has no such file. Links stay within their layer.
fn lines(layers: &[PathBuf], path: &str) -> Vec<String> {
    let Some(file) = layers.iter().find_map(|layer| open_in(layer, path)) else {
        return Vec::new();
    };
    BufReader::new(file.take(FILE_BYTES_MAX))
        .lines()
        .map_while(Result::ok)
        .collect()
}

fn open_in(layer: &Path, path: &str) -> Option<File> {
    let root = File::open(layer).ok()?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened =
        rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
    let file = File::from(opened);
    file.metadata().ok()?.is_file().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_name_number_and_wish() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let etc = directory.path().join("etc");
        std::fs::create_dir(&etc).expect("etc");
        std::fs::write(
            etc.join("passwd"),
            "root:x:0:0::/:\napp:x:1000:1001::/:\nbroken\n",
        )
        .expect("passwd");
        std::fs::write(etc.join("group"), "root:x:0:\nweb:x:33:\n").expect("group");
        let layers = [directory.path().to_owned()];
        let asked = |user, group| SecurityContext {
            run_as_user: user,
            run_as_group: group,
            ..Default::default()
        };
        let check = |wish: &str, security: SecurityContext, expected: Result<(u32, u32), ()>| {
            let found = resolve(wish, &security, &layers).map_err(|_| ());
            assert_eq!(found, expected, "{wish} {security:?}");
        };
        check("", asked(None, None), Ok((0, 0)));
        check("app", asked(None, None), Ok((1000, 1001)));
        check("1000", asked(None, None), Ok((1000, 1001)));
        check("7", asked(None, None), Ok((7, 0)));
        check("app:web", asked(None, None), Ok((1000, 33)));
        check("app:5", asked(None, None), Ok((1000, 5)));
        check("app:web", asked(Some(1000), None), Ok((1000, 1001)));
        check("app", asked(Some(5), Some(6)), Ok((5, 6)));
        check("nobody", asked(None, None), Err(()));
        check("app:nogroup", asked(None, None), Err(()));
        check("nobody", asked(Some(5), None), Ok((5, 0)));
    }
}
