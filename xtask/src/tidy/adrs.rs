use std::path::Path;

use super::{Finding, Tree};

/// Where decisions are recorded, as `NNNN-title.md`.
const FOLDER: &str = "docs/adr";
/// The one page there that is no decision.
const ABOUT: &str = "README";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut next = 1;
    for stem in tree.stems(FOLDER, "md").into_iter().filter(|stem| *stem != ABOUT) {
        let path = Path::new(FOLDER).join(format!("{stem}.md"));
        let number = stem.split_once('-').map(|(digits, _)| digits).filter(|digits| digits.len() == 4);
        match number.and_then(|digits| digits.parse::<u32>().ok()) {
            None => findings.push(Finding::new(&path, 0, "no number", "Call it NNNN-title.md.")),
            Some(number) if number != next => {
                let problem = format!("number {number:04} where {next:04} is due");
                findings.push(Finding::new(&path, 0, problem, "Numbers go up by one, each used once."));
                next = number + 1;
            }
            Some(_) => next += 1,
        }
    }
    findings
}
