//! What becomes of a file on a server after it was read.

use super::place::{Place, failed, remedy};
use crate::source::{AfterSuccess, Failure, FileRead, Hop, Tidied, arrival::Files as _};
use russh_sftp::{client::error::Error, protocol::StatusCode};

impl Place<'_> {
    /// As [`crate::source::tidy`], over one connection.
    pub(super) async fn tidy(&self, action: &AfterSuccess, read: &FileRead) -> Result<Tidied, Failure> {
        match self.look(&read.path).await? {
            None => return Ok(Tidied::Gone),
            Some(now) if !read.is(&now) => return Ok(Tidied::Changed),
            // By its size alone nobody can tell one day's file from the next one's.
            Some(now) if now.modified.is_none() => {
                return Err(Failure::at(
                    Hop::AfterSuccess,
                    format!(
                        "the server does not say when `{}` was written, so that it cannot be told from another \
                         one; write `after_success: leave`",
                        self.at(&read.path)
                    ),
                ));
            }
            Some(_) => {}
        }
        match action {
            AfterSuccess::Leave => Ok(Tidied::Left),
            AfterSuccess::Delete => match self.ask(self.sftp.remove_file(&read.path)).await {
                Ok(()) => Ok(Tidied::Deleted),
                Err(error) => Err(self.undone(&format!("cannot delete `{}`", self.at(&read.path)), &error)),
            },
            AfterSuccess::MoveTo(folder) => self.move_to(read, folder).await,
        }
    }

    /// Whether files can be moved into a folder.
    pub(super) async fn into(&self, folder: &str) -> Result<(), Failure> {
        let missing = |why: &str| {
            format!(
                "the folder `{}` (`move_to`) cannot be used ({why}); create it on the server, writable for this \
                 account",
                self.at(folder)
            )
        };
        match self.ask(self.sftp.metadata(folder)).await {
            Ok(found) if found.permissions.is_none() || found.file_type().is_dir() => Ok(()),
            Ok(_) => Err(Failure::at(Hop::AfterSuccess, missing("it is no folder"))),
            Err(error) => Err(failed(Hop::AfterSuccess, missing(&self.said(&error)), &error)),
        }
    }

    /// Gives the file the first free name in the folder. Renaming is one step at the server, and by the protocol
    /// (version 3) it fails where the name is taken; servers that do not keep to that are asked before.
    async fn move_to(&self, read: &FileRead, folder: &str) -> Result<Tidied, Failure> {
        self.into(folder).await?;
        for target in read.targets(folder) {
            match self.ask(self.sftp.symlink_metadata(&target)).await {
                Ok(_) => continue,
                Err(Error::Status(status)) if status.status_code == StatusCode::NoSuchFile => {}
                Err(error) => {
                    return Err(self.undone(&format!("cannot look at `{}`", self.at(&target)), &error));
                }
            }
            return match self.ask(self.sftp.rename(&read.path, &target)).await {
                Ok(()) => Ok(Tidied::Moved(target)),
                Err(error) => {
                    let what = format!("cannot move `{}` to `{}`", self.at(&read.path), self.at(&target));
                    Err(self.undone(&what, &error))
                }
            };
        }
        let path = self.at(&read.path);
        let message = format!("every name for `{path}` in `{folder}` is taken; empty the folder");
        Err(Failure::at(Hop::AfterSuccess, message))
    }

    fn undone(&self, what: &str, error: &Error) -> Failure {
        let remedy = match error {
            Error::Status(_) => {
                "ask the server's operator to let this account write to the folder, or write `after_success: leave`"
            }
            Error::IO(_)
            | Error::Timeout
            | Error::Limited(_)
            | Error::UnexpectedPacket
            | Error::UnexpectedBehavior(_) => remedy(error),
        };
        failed(Hop::AfterSuccess, format!("{what} ({}); {remedy}", self.said(error)), error)
    }
}
