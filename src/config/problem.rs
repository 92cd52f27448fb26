//! What is wrong with a configuration, shown as a good compiler shows it.

use std::{fmt, path::PathBuf};

/// One mistake in a configuration file. No part of it ever holds a literal secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// From 1; 0 when the file itself is the problem.
    pub line: usize,
    /// In characters, from 1; 0 when the file itself is the problem.
    pub column: usize,
    /// Where in the configuration, such as `feeds.acme.guard.absent`; empty at the root.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// The offending line, literal secrets replaced by `…`.
    pub excerpt: Option<Excerpt>,
    /// What to do.
    pub help: Option<String>,
}

/// A line of a file with the place to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line.
    pub text: String,
    /// Characters before the caret.
    pub indent: usize,
    /// How many carets, at least 1.
    pub width: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if self.path.is_empty() {
            writeln!(f, ": {}", self.message)?;
        } else {
            writeln!(f, ": {}: {}", self.path, self.message)?;
        }
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        if let Some(excerpt) = &self.excerpt {
            writeln!(f, " {margin} |")?;
            writeln!(f, " {number} | {}", excerpt.text)?;
            let (indent, carets) = (" ".repeat(excerpt.indent), "^".repeat(excerpt.width.max(1)));
            writeln!(f, " {margin} | {indent}{carets}")?;
        }
        if let Some(help) = &self.help {
            writeln!(f, " {margin} = {help}")?;
        }
        Ok(())
    }
}

/// Every mistake of a configuration, in the order of the files and lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    pub(super) list: Vec<Problem>,
}

impl Problems {
    /// Each mistake.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// How many mistakes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none, which never happens for what [`super::load`] returns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(f, "{problem}")?;
        }
        match self.list.len() {
            1 => write!(f, "1 mistake in the configuration; nothing was started"),
            count => write!(f, "{count} mistakes in the configuration; nothing was started"),
        }
    }
}

impl std::error::Error for Problems {}
