use std::fs;

use super::{Finding, Tree};

/// Larger files are fetched, not kept.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What no file may say, with the reason. Spelled in two halves so that this file does not say it either.
const FORBIDDEN: [(&str, &str, &str); 6] = [
    ("/wo", "rk/", "it is a path of one machine"),
    ("registry.npm", "js.org", "it is a registry's address; each machine has its own"),
    ("py", "pi.org", "it is a registry's address; each machine has its own"),
    ("files.python", "hosted.org", "it is a registry's address; each machine has its own"),
    ("static.cra", "tes.io", "it is a registry's address; each machine has its own"),
    ("index.cra", "tes.io", "it is a registry's address; each machine has its own"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in &tree.paths {
        let full = tree.root.join(path);
        let bytes = fs::metadata(&full).map(|metadata| metadata.len()).unwrap_or_default();
        if bytes > FILE_BYTES_MAX {
            let problem = format!("{bytes} bytes, over {FILE_BYTES_MAX}");
            findings.push(Finding::new(path, 0, problem, "Fetch it when it is needed, or make it smaller."));
            continue;
        }
        let Ok(text) = fs::read_to_string(&full) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some((word, why)) = forbidden(line) {
                let problem = format!("`{word}` must not be named");
                findings.push(Finding::new(path, number + 1, problem, format!("Leave it out: {why}.")));
            }
        }
    }
    findings
}

fn forbidden(line: &str) -> Option<(String, &'static str)> {
    FORBIDDEN
        .iter()
        .map(|(head, tail, why)| (format!("{head}{tail}"), *why))
        .find(|(word, _)| line.contains(word.as_str()))
}
