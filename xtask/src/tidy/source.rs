use std::fs;
use std::path::{Component, Path, PathBuf};

use super::Finding;

/// A Rust file, read and parsed.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) syntax: syn::File,
    /// Whether each line is code: neither blank nor a comment.
    code: Vec<bool>,
}

impl Source {
    pub(super) fn read(root: &Path, path: &Path) -> Result<Self, Finding> {
        let text = fs::read_to_string(root.join(path))
            .map_err(|error| Finding::new(path, 0, format!("unreadable: {error}"), "Make it readable."))?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Finding> {
        let syntax = syn::parse_file(text).map_err(|error| {
            let line = error.span().start().line;
            Finding::new(path, line, format!("not Rust: {error}"), "Make it compile, or rename it.")
        })?;
        Ok(Self { path: path.to_owned(), syntax, code: code_lines(text) })
    }

    /// Whether the file holds tests: `tests.rs`, or anything under `tests/` or `benches/`.
    pub(super) fn is_test(&self) -> bool {
        let under = |part: Component<'_>| ["tests", "benches"].iter().any(|name| part.as_os_str() == *name);
        self.path.file_name().is_some_and(|name| name == "tests.rs") || self.path.components().any(under)
    }

    /// Lines of code among the lines `first..=last`, counted from 1.
    pub(super) fn code_between(&self, first: usize, last: usize) -> usize {
        self.code.iter().take(last).skip(first.saturating_sub(1)).filter(|is_code| **is_code).count()
    }

    pub(super) fn code_total(&self) -> usize {
        self.code_between(1, self.code.len())
    }
}

/// A comment that opens in the middle of a line of code leaves that line code; a string that holds a comment's
/// beginning at the beginning of a line is taken for a comment, which is rare and does no harm.
fn code_lines(text: &str) -> Vec<bool> {
    let mut in_comment = false;
    text.lines()
        .map(|line| {
            let line = line.trim();
            if in_comment {
                in_comment = !line.contains("*/");
                return false;
            }
            if line.starts_with("/*") {
                in_comment = !line.contains("*/");
                return false;
            }
            !line.is_empty() && !line.starts_with("//")
        })
        .collect()
}
