//! The user a container runs as, from what was asked for, the image's wish and its `/etc/passwd`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::cri::SecurityContext;

/// Most groups of a process (Linux `NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;

/// Largest `passwd` or `group` file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Who a container's process is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Further groups of which the image's `/etc/group` says that the user is a member: they join those that the
    /// pod asks for (`supplementalGroupsPolicy: Merge`, KEP-3619).
    pub(crate) groups: Vec<u32>,
}

/// The user of a container's process. `layers` are the image's, the topmost first.
/// Errors name the user or group that the image lacks.
pub(crate) fn resolve(
    wish: &str,
    security: &SecurityContext,
    layers: &[PathBuf],
) -> Result<User, String> {
    let (user, group) = wish.split_once(':').unwrap_or((wish, ""));
    let passwd = lines(layers, "etc/passwd");
    let entry = |matches: &dyn Fn(&Entry<'_>) -> bool| {
        let mut entries = passwd.iter().filter_map(|line| Entry::read(line));
        entries.find(matches)
    };
    let by_id = |uid: u32| (uid, entry(&|entry| entry.uid == uid));
    let (uid, found) = match (security.run_as_user, user) {
        (Some(uid), _) => by_id(uid),
        (None, "") => (0, entry(&|entry| entry.uid == 0)),
        (None, user) => match user.parse::<u32>() {
            Ok(uid) => by_id(uid),
            Err(_) => {
                let found = entry(&|entry| entry.name == user);
                let found = found.ok_or_else(|| {
                    format!("the image's user {user:?} is not in its /etc/passwd")
                })?;
                (found.uid, Some(found))
            }
        },
    };
    let groups = lines(layers, "etc/group");
    let own_group = match (security.run_as_user, user) {
        (None, "") => 0,
        _ => found.as_ref().map_or(0, |entry| entry.gid),
    };
    // The image's group goes with the image's user; a user asked for by the pod replaces both.
    let gid = match (security.run_as_group, security.run_as_user, group) {
        (Some(gid), _, _) => gid,
        (None, Some(_), _) | (None, None, "") => own_group,
        (None, None, group) => match group.parse::<u32>() {
            Ok(gid) => gid,
            Err(_) => groups
                .iter()
                .map(|line| line.split(':').collect::<Vec<_>>())
                .find_map(|f| (f[0] == group).then(|| f.get(2)?.parse().ok()).flatten())
                .ok_or_else(|| format!("the image's group {group:?} is not in its /etc/group"))?,
        },
    };
    Ok(User {
        uid,
        gid,
        groups: found.map_or_else(Vec::new, |entry| memberships(&groups, entry.name)),
    })
}

/// A line of `/etc/passwd`.
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

impl<'a> Entry<'a> {
    /// `None` for a line that is none.
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        Some(Entry {
            name,
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    }
}

/// The groups that name a user as their member.
fn memberships(groups: &[String], user: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for line in groups {
        let fields: Vec<&str> = line.split(':').collect();
        let [_name, _password, id, members] = fields[..] else {
            continue;
        };
        let member = members.split(',').any(|member| member.trim() == user);
        // The kernel takes no more.
        if member && found.len() < GROUPS_MAX {
            found.extend(id.parse::<u32>().ok());
        }
    }
    found
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
        let groups =
            "root:x:0:root\nweb:x:33:\nextra:x:900:other,app\nbroken:x:app\nmore:x:901:app\n";
        std::fs::write(etc.join("group"), groups).expect("group");
        let layers = [directory.path().to_owned()];
        let asked = |user, group| SecurityContext {
            run_as_user: user,
            run_as_group: group,
            ..Default::default()
        };
        let check = |wish: &str, security: SecurityContext, expected: Result<(u32, u32), ()>| {
            let found = resolve(wish, &security, &layers);
            let found = found.map(|user| (user.uid, user.gid)).map_err(|_| ());
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
        let groups = |wish: &str, user| {
            let found = resolve(wish, &asked(user, None), &layers);
            found.expect("a user").groups
        };
        assert_eq!(groups("app", None), [900, 901]);
        assert_eq!(groups("1000:web", None), [900, 901]);
        assert_eq!(
            groups("", Some(1000)),
            [900, 901],
            "the pod's choice by number"
        );
        assert_eq!(groups("", None), [0], "root is a user of the image too");
        assert_eq!(groups("7", None), [0u32; 0]);
    }
}
