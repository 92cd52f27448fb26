//! Where rosterd keeps its state, and where it listens for the other commands.

use super::read::{Fields, Reader};
use std::path::{Path, PathBuf};

type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The longest path that the kernel takes for a socket.
const LONGEST_SOCKET: usize = 107;

/// Reads `state_dir`; without it systemd's state directory, else the usual one.
pub(super) fn state_dir(reader: &Reader, root: &Fields<'_>, env: Env<'_>) -> Option<PathBuf> {
    match root.get("state_dir") {
        Some(item) => reader.path(&item),
        None => Some(first(env, "STATE_DIRECTORY").unwrap_or_else(|| PathBuf::from("/var/lib/rosterd"))),
    }
}

/// Reads `control_socket`; without it a socket in systemd's runtime directory, else in the state directory.
pub(super) fn control_socket(
    reader: &Reader,
    root: &Fields<'_>,
    state_dir: Option<&Path>,
    env: Env<'_>,
) -> Option<PathBuf> {
    let Some(item) = root.get("control_socket") else {
        let folder = first(env, "RUNTIME_DIRECTORY").or_else(|| state_dir.map(Path::to_owned))?;
        return Some(folder.join("control.sock"));
    };
    let path = reader.path(&item)?;
    let length = path.as_os_str().len();
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        reader.wrong(&item, "the path names a folder", "end it with a file's name such as `control.sock`");
        return None;
    }
    if length > LONGEST_SOCKET {
        let message =
            format!("a socket's path has at most {LONGEST_SOCKET} bytes, and this one has {length}");
        reader.wrong(&item, message, "choose a shorter one, such as `/run/rosterd/control.sock`");
        return None;
    }
    Some(path)
}

/// systemd may name several directories; the first is the service's own.
fn first(env: Env<'_>, name: &str) -> Option<PathBuf> {
    let given = env(name).unwrap_or_default();
    given.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
}
