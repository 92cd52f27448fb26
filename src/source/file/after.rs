//! What becomes of a file on this host after it was read.

use crate::source::{AfterSuccess, Failure, FileRead, Hop, Tidied};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// As [`crate::source::tidy`], for a file on this host.
pub(in crate::source) async fn tidy(action: &AfterSuccess, read: &FileRead) -> Result<Tidied, Failure> {
    let (action, read) = (action.clone(), read.clone());
    let work = tokio::task::spawn_blocking(move || now(&action, &read));
    work.await.map_err(|_stopped| failed("it was broken off; it is tried again".to_owned()))?
}

fn now(action: &AfterSuccess, read: &FileRead) -> Result<Tidied, Failure> {
    if *action == AfterSuccess::Leave {
        return Ok(Tidied::Left);
    }
    let path = Path::new(&read.path);
    match super::look(&read.path)? {
        None => return Ok(Tidied::Gone),
        Some(found) if !read.is(&found) => return Ok(Tidied::Changed),
        Some(_) => {}
    }
    if let Some(then) = &read.sha256
        && sha256(path)? != *then
    {
        return Ok(Tidied::Changed);
    }
    match action {
        AfterSuccess::Leave => Ok(Tidied::Left),
        AfterSuccess::Delete => remove(path).map(|()| Tidied::Deleted),
        AfterSuccess::MoveTo(folder) => move_to(read, folder),
    }
}

/// Whether files can be moved into a folder.
pub(super) fn into(folder: &str) -> Result<(), Failure> {
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(failed(format!("`{folder}` (`move_to`) is no folder; name one"))),
        Err(error) => Err(failed(format!(
            "the folder `{folder}` (`move_to`) cannot be used ({error}); create it, writable for rosterd's user"
        ))),
    }
}

fn move_to(read: &FileRead, folder: &str) -> Result<Tidied, Failure> {
    into(folder)?;
    let path = Path::new(&read.path);
    let home = path.parent().unwrap_or(Path::new("."));
    if let (Ok(from), Ok(to)) = (fs::canonicalize(home), fs::canonicalize(folder))
        && from == to
    {
        return Err(failed(format!(
            "`{folder}` (`move_to`) is where the file is already; name another folder"
        )));
    }
    for target in read.targets(folder) {
        if place(path, Path::new(&target))? {
            return Ok(Tidied::Moved(target));
        }
    }
    Err(failed(format!("every name for `{}` in `{folder}` is taken; empty the folder", read.path)))
}

/// Gives the file another path, unless that one is taken by another file. A second name first, so that nothing is
/// overwritten whoever else writes there; a kill in between leaves both, and the next try takes the old one away.
fn place(path: &Path, target: &Path) -> Result<bool, Failure> {
    let refused = |error: &std::io::Error| {
        failed(format!(
            "cannot move `{}` to `{}` ({error}); let rosterd's user write to both folders, which must be on one \
             file system",
            path.display(),
            target.display()
        ))
    };
    match fs::hard_link(path, target) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
            match (fs::symlink_metadata(path), fs::symlink_metadata(target)) {
                (Ok(old), Ok(new)) if same(&old, &new) => {}
                _ => return Ok(false),
            }
        }
        // File systems without second names, and files of others that may be moved and not be linked.
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
            if fs::symlink_metadata(target).is_ok() {
                return Ok(false);
            }
            fs::rename(path, target).map_err(|error| refused(&error))?;
            sync(path);
            sync(target);
            return Ok(true);
        }
        Err(error) => return Err(refused(&error)),
    }
    sync(target);
    remove(path)?;
    Ok(true)
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Ok(()) => {
            sync(path);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(format!(
            "cannot remove `{}` ({error}); let rosterd's user write to its folder",
            path.display()
        ))),
    }
}

/// Makes a change of a folder durable. When it cannot, the to-do may find its work undone after a power loss, and
/// does it again or finds the file gone.
fn sync(path: &Path) {
    let folder: PathBuf = path.parent().unwrap_or(Path::new(".")).to_owned();
    drop(File::open(folder).and_then(|folder| folder.sync_all()));
}

fn sha256(path: &Path) -> Result<String, Failure> {
    let unread = |error: std::io::Error| super::unread(&path.display().to_string(), &error);
    let mut file = File::open(path).map_err(unread)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; super::CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hash.update(buffer.get(..read).unwrap_or(&[])),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unread(error)),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn failed(message: String) -> Failure {
    Failure::at(Hop::AfterSuccess, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> FileRead {
        let found = crate::source::file::look(path.to_str().unwrap()).unwrap().unwrap();
        FileRead {
            path: path.to_str().unwrap().to_owned(),
            size: found.size,
            modified: found.modified,
            sha256: Some(sha256(path).unwrap()),
        }
    }

    fn put(path: &Path, text: &str) -> FileRead {
        std::io::Write::write_all(&mut File::create(path).unwrap(), text.as_bytes()).unwrap();
        read(path)
    }

    #[test]
    fn only_the_file_that_was_read_is_touched_and_no_other_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("roster.csv");
        let done = home.path().join("done");
        let to = AfterSuccess::MoveTo(done.to_str().unwrap().to_owned());
        let first = put(&path, "id\n1\n");
        assert_eq!(now(&AfterSuccess::Leave, &first).unwrap(), Tidied::Left);
        let message = now(&to, &first).unwrap_err().to_string();
        assert!(message.contains("create it, writable for rosterd's user"), "{message}");
        fs::create_dir(&done).unwrap();
        let target = |name: &str| done.join(name).to_str().unwrap().to_owned();
        assert_eq!(now(&to, &first).unwrap(), Tidied::Moved(target("roster.csv")));
        assert_eq!(now(&to, &first).unwrap(), Tidied::Gone);

        // Another one of the same name: both are kept.
        let second = put(&path, "id\n2\n");
        let dated = second.targets(done.to_str().unwrap()).nth(1).unwrap();
        assert_eq!(now(&to, &second).unwrap(), Tidied::Moved(dated.clone()));
        assert_eq!(fs::read_to_string(target("roster.csv")).unwrap(), "id\n1\n");
        assert_eq!(fs::read_to_string(dated).unwrap(), "id\n2\n");

        // Another one of the same size and time: the SHA-256 tells it.
        let third = put(&path, "id\n3\n");
        put(&path, "id\n4\n");
        let time = std::time::SystemTime::from(third.modified.unwrap());
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        for action in [&to, &AfterSuccess::Delete] {
            assert_eq!(now(action, &third).unwrap(), Tidied::Changed);
        }
        // A kill between the second name and the end of the first.
        let fourth = read(&path);
        fs::remove_file(target("roster.csv")).unwrap();
        fs::hard_link(&path, target("roster.csv")).unwrap();
        assert_eq!(now(&to, &fourth).unwrap(), Tidied::Moved(target("roster.csv")));
        assert!(!path.exists());
        let fifth = put(&path, "id\n5\n");
        assert_eq!(now(&AfterSuccess::Delete, &fifth).unwrap(), Tidied::Deleted);
        assert!(!path.exists());
        let here = AfterSuccess::MoveTo(home.path().to_str().unwrap().to_owned());
        let message = now(&here, &put(&path, "x")).unwrap_err().to_string();
        assert!(message.contains("is where the file is already"), "{message}");
    }
}
