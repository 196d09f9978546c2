use std::path::Path;

use super::{Finding, Tree};

const MANIFEST: &str = "Cargo.toml";
/// One row for each crate that is rented: what for, and why this one.
const REASONS: &str = "docs/dependencies.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.text(MANIFEST);
    let rented = rented(&manifest);
    let reasons = tree.text(REASONS);
    let rows: Vec<&str> = reasons.lines().filter_map(row).collect();
    let mut findings = Vec::new();
    for name in rented.iter().filter(|name| !rows.contains(&name.as_str())) {
        let line = 1 + manifest.lines().take_while(|text| !text.starts_with(&format!("{name} "))).count();
        let remedy = format!("Add a row to {REASONS}: what it does here, and why this one.");
        findings.push(Finding::new(Path::new(MANIFEST), line, format!("`{name}` has no reason"), remedy));
    }
    for name in rows.iter().filter(|name| !rented.iter().any(|rented| rented == *name)) {
        let problem = format!("`{name}` is not used any more");
        findings.push(Finding::new(Path::new(REASONS), 0, problem, "Remove its row."));
    }
    findings
}

/// The external crates of the workspace: those that no path leads to.
fn rented(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let dependencies = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(toml::Value::as_table);
    let external = |(name, value): (&String, &toml::Value)| value.get("path").is_none().then(|| name.clone());
    dependencies.map(|table| table.iter().filter_map(external).collect()).unwrap_or_default()
}

/// The crate's name in a row of a table such as "| `tokio` | … |".
fn row(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name)
}
