//! The rules that no compiler holds: which crate may know which, how large a room may grow, what must be written down.
//!
//! Each rule is a module with its figures as data at the top and one function from the [`Tree`] to its findings.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::tree::Tree;

mod adrs;
mod arrows;
mod attributes;
mod dependencies;
mod faults;
mod files;
mod manifests;
mod names;
mod sizes;
mod source;
mod tree;
mod unsafety;

/// One place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the repository's root.
    pub path: PathBuf,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// The rule's name, and how it is broken.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, problem, remedy } = self;
        write!(f, "{}:{line}: {problem}\n    {remedy}", path.display())
    }
}

impl Finding {
    fn new(path: &Path, line: usize, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, problem: problem.into(), remedy: remedy.into() }
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [(&str, Rule); 10] = [
    ("arrows", arrows::check),
    ("manifests", manifests::check),
    ("sizes", sizes::check),
    ("names", names::check),
    ("attributes", attributes::check),
    ("unsafety", unsafety::check),
    ("faults", faults::check),
    ("adrs", adrs::check),
    ("dependencies", dependencies::check),
    ("files", files::check),
];

/// Applies every rule to the repository at `root`.
///
/// # Errors
/// Where the repository cannot be read: git or cargo refuse, or a file is not there.
pub fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let tree = Tree::read(root)?;
    let mut findings = tree.unparsed();
    for (name, rule) in RULES {
        findings.extend(
            rule(&tree)
                .into_iter()
                .map(|finding| Finding { problem: format!("{name}: {}", finding.problem), ..finding }),
        );
    }
    findings.sort();
    Ok(findings)
}

/// Prints what [`check`] finds.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's output")]
pub fn run() -> ExitCode {
    match check(&crate::root()) {
        Ok(findings) if findings.is_empty() => {
            println!("tidy: {} rules hold", RULES.len());
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            eprintln!("tidy: {} findings", findings.len());
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("tidy: {problem}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests;
