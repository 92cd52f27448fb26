//! Mails as files, for whatever picks them up.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Delivers mails as `.eml` files into a folder.
#[derive(Clone, Debug)]
pub struct FolderTransport {
    folder: PathBuf,
}

impl FolderTransport {
    /// A transport into this folder, which is made (mode 0750) at the first delivery if it is missing.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Writes the message into a file named for its Message-ID and returns the file's path: durable when this
    /// returns. A Message-ID that was delivered before writes nothing, so a repeated delivery is one mail.
    ///
    /// # Errors
    /// When the folder or the file cannot be made, written or synced; the message stays in the outbox then.
    pub fn deliver(&self, message_id: &str, message: &[u8]) -> io::Result<PathBuf> {
        self.make_folder()?;
        let name = file_name(message_id);
        let path = self.folder.join(format!("{name}.eml"));
        if !path.try_exists()? {
            let beside = self.folder.join(format!(".{name}.part"));
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&beside)?;
            file.write_all(message)?;
            file.sync_all()?;
            std::fs::rename(&beside, &path)?;
        }
        // Also when the file was there: a crash may have come between the rename and this.
        sync_folder(&self.folder)?;
        Ok(path)
    }

    fn make_folder(&self) -> io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o750).create(&self.folder)?;
        match self.folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
            Some(_) | None => Ok(()),
        }
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A name that is safe in every file system. What had to be changed or cut gets a digest of the whole
/// Message-ID, so that two Message-IDs never share a file.
fn file_name(message_id: &str) -> String {
    let inner = message_id.trim_start_matches('<').trim_end_matches('>');
    let safe: String = inner
        .chars()
        .take(120)
        .map(|c| if c.is_ascii_alphanumeric() || "-_@.".contains(c) { c } else { '_' })
        .collect();
    if safe == inner && !safe.is_empty() && !safe.starts_with('.') {
        return safe;
    }
    let digest = blake3::hash(message_id.as_bytes()).to_hex();
    format!("{}-{digest}", safe.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_becomes_a_name_that_cannot_leave_the_folder() {
        assert_eq!(file_name("<rosterd.1@ops.example>"), "rosterd.1@ops.example");
        for odd in ["<../../etc/passwd>", "", "<.hidden>", "<a b>", "<a/b>", "<a\0b>", &"x".repeat(300)] {
            let name = file_name(odd);
            assert!(name.len() > 60 && name.len() < 200, "{odd:?}: {name}");
            assert!(!name.contains(['/', '\0', ' ']) && !name.starts_with('.'), "{odd:?}: {name}");
        }
        assert_ne!(file_name("<a/b>"), file_name("<a_b>"));
        assert_ne!(file_name("<a/b>"), file_name("<a b>"));
    }
}
