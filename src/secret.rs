//! A secret: where it is kept, read when it is needed. It cannot be printed, and no literal can be one.

use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// Where a secret is kept (`config.md`, Secrets).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// An environment variable.
    Env(String),
    /// A file, whose last line end is not part of the secret.
    File(PathBuf),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// Why a secret cannot be had. Names the place, never the content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable `{0}` is not set; set it, or name a `file` or `credential`")]
    NotSet(String),
    /// The file cannot be read.
    #[error("cannot read the secret file `{}`; create it, readable for rosterd's user alone", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// There is no credentials directory.
    #[error(
        "the credential `{0}` was asked for, but `$CREDENTIALS_DIRECTORY` is not set; start rosterd by systemd with `LoadCredential={0}:…`, or name a `file` or `env`"
    )]
    NoCredentials(String),
    /// The place is there and holds nothing.
    #[error("the secret {0} is empty; write the secret into it")]
    Empty(String),
}

impl Secret {
    /// Reads the secret afresh: a rotated one is taken without a restart.
    ///
    /// # Errors
    /// When the place does not exist, cannot be read or is empty.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        let text = match self {
            Self::Env(name) => environment(name).ok_or_else(|| SecretError::NotSet(name.clone()))?,
            Self::File(path) => file(path)?,
            Self::Credential(name) => {
                let folder = environment("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
                file(&Path::new(&folder).join(name))?
            }
        };
        if text.is_empty() { Err(SecretError::Empty(self.to_string())) } else { Ok(SecretString::from(text)) }
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "in the environment variable `{name}`"),
            Self::File(path) => write!(f, "in the file `{}`", path.display()),
            Self::Credential(name) => write!(f, "in the credential `{name}`"),
        }
    }
}

fn file(path: &Path) -> Result<String, SecretError> {
    let mut text =
        std::fs::read_to_string(path).map_err(|error| SecretError::Unreadable(path.to_owned(), error))?;
    // A key file ends in a line end that editors and `echo` put there.
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    Ok(text)
}

#[expect(clippy::disallowed_methods, reason = "secrets may live in the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
