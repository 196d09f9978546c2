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
    let members = tree.metadata.workspace_packages();
    members.into_iter().flat_map(|package| check_package(tree, package)).collect()
}

fn check_package(tree: &Tree, package: &Package) -> Vec<Finding> {
    let manifest = package.manifest_path.as_std_path();
    let path = manifest.strip_prefix(&tree.root).unwrap_or(manifest);
    // A crate of this house is one that a path leads to; a registry's crate of the same name is none.
    let own = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
    let arrows: Vec<Arrow<'_>> = own
        .map(|dependency| Arrow {
            to: dependency.name.as_str(),
            for_tests: dependency.kind == DependencyKind::Development,
        })
        .collect();
    check_arrows(path, package.name.as_str(), &arrows)
}

/// One crate's knowledge of another.
pub(super) struct Arrow<'a> {
    pub(super) to: &'a str,
    pub(super) for_tests: bool,
}

pub(super) fn check_arrows(path: &Path, from: &str, arrows: &[Arrow<'_>]) -> Vec<Finding> {
    let Some((_, may)) = ARROWS.iter().find(|(name, _)| *name == from) else {
        return vec![unknown(path, from)];
    };
    let listed = |to: &str| TEST_ARROWS.iter().any(|(one, other, _)| *one == from && *other == to);
    let allowed = |arrow: &&Arrow<'_>| may.contains(&arrow.to) || arrow.for_tests && listed(arrow.to);
    arrows.iter().filter(|arrow| !allowed(arrow)).map(|arrow| forbidden(path, from, arrow.to, may)).collect()
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
