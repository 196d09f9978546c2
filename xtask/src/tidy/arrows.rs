use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::{DependencyKind, Package};

use super::{Finding, Tree};

/// Who may know whom. A crate that is not listed may not exist; one that is listed need not exist yet.
const ARROWS: [(&str, &[&str]); 17] = [
    ("canon", &[]),
    ("wire", &["canon"]),
    ("access", &["canon"]),
    ("guardrails", &["canon"]),
    ("ledger", &["canon"]),
    ("fleet", &["canon"]),
    ("gateway", &["access", "guardrails", "ledger", "fleet", "canon"]),
    ("control", &["ledger", "access", "guardrails", "fleet", "canon"]),
    ("providers", &["wire", "canon"]),
    ("engine", &["canon"]),
    ("train", &["canon"]),
    ("jobs", &["control", "canon"]),
    ("store", &["gateway", "access", "control", "jobs", "ledger", "canon"]),
    ("sim", &["gateway", "fleet", "ledger", "canon"]),
    ("server", &SERVER),
    ("cli", &["server", "sim", "train", "canon"]),
    ("xtask", &[]),
];

const SERVER: [&str; 13] = [
    "access",
    "canon",
    "control",
    "engine",
    "fleet",
    "gateway",
    "guardrails",
    "jobs",
    "ledger",
    "providers",
    "store",
    "train",
    "wire",
];

/// Arrows that tests alone may add, each with its reason.
const TEST_ARROWS: [(&str, &str, &str); 0] = [];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let rooms: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let members = tree.metadata.workspace_packages();
    members.into_iter().flat_map(|package| check_package(tree, &rooms, package)).collect()
}

fn check_package(tree: &Tree, rooms: &BTreeMap<&str, &[&str]>, package: &Package) -> Vec<Finding> {
    let manifest = package.manifest_path.as_std_path();
    let path = manifest.strip_prefix(&tree.root).unwrap_or(manifest);
    let name = package.name.as_str();
    let Some(may) = rooms.get(name) else {
        return vec![unknown(path, name)];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let target = dependency.name.as_str();
        let for_tests = dependency.kind == DependencyKind::Development;
        let listed = TEST_ARROWS.iter().any(|(from, to, _)| *from == name && *to == target);
        // A crate of this house is one that a path leads to; a registry's crate of the same name is none.
        if dependency.path.is_some() && !may.contains(&target) && !(for_tests && listed) {
            findings.push(forbidden(path, name, target, may));
        }
    }
    findings
}

fn unknown(path: &Path, name: &str) -> Finding {
    let problem = format!("crate `{name}` has no row in the table of arrows");
    Finding::new(
        path,
        1,
        problem,
        "Make it a module, or give it a row in xtask/src/tidy/arrows.rs and an ADR.",
    )
}

fn forbidden(path: &Path, from: &str, to: &str, may: &[&str]) -> Finding {
    let problem = format!("`{from}` may not know `{to}`");
    let remedy = format!(
        "It may know {may:?}. Move what is shared to a crate that both may know, or pass it in from `server`."
    );
    Finding::new(path, 1, problem, remedy)
}
