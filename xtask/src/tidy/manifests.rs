use std::path::Path;

use cargo_metadata::Package;
use syn::{Attribute, Meta};

use super::{Finding, Tree};

/// Crates that take decisions without I/O, and therefore may not panic.
const PURE: [&str; 8] = ["canon", "wire", "access", "gateway", "guardrails", "ledger", "fleet", "control"];

/// What a pure crate denies at its root.
const DENIED: [&str; 4] = ["unwrap_used", "expect_used", "panic", "indexing_slicing"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.metadata.workspace_packages() {
        let manifest = package.manifest_path.as_std_path();
        let path = manifest.strip_prefix(&tree.root).unwrap_or(manifest);
        findings.extend(takes_lints(tree, path));
        if PURE.contains(&package.name.as_str()) {
            findings.extend(denies_panics(tree, package));
        }
    }
    findings
}

fn takes_lints(tree: &Tree, path: &Path) -> Option<Finding> {
    let text = tree.text(&path.to_string_lossy());
    let manifest: toml::Table = text.parse().unwrap_or_default();
    let inherits =
        manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    (inherits != Some(true)).then(|| {
        Finding::new(
            path,
            1,
            "the crate does not take the workspace's lints",
            "Add `[lints] workspace = true`.",
        )
    })
}

fn denies_panics(tree: &Tree, package: &Package) -> Option<Finding> {
    let name = package.name.as_str();
    let source = tree.sources.iter().find(|source| source.path == Path::new(name).join("src/lib.rs"))?;
    let denied: Vec<String> = source.syntax.attrs.iter().filter_map(denied_by).collect();
    let missing: Vec<&str> =
        DENIED.into_iter().filter(|lint| !denied.iter().any(|text| text.contains(lint))).collect();
    (!missing.is_empty()).then(|| {
        let problem = format!("`{name}` is pure and does not deny {missing:?}");
        let remedy = "Write `#![cfg_attr(not(test), deny(clippy::unwrap_used, …))]` at the crate's root.";
        Finding::new(&source.path, 1, problem, remedy)
    })
}

/// The text of a crate attribute that denies or forbids something, plainly or outside tests.
fn denied_by(attribute: &Attribute) -> Option<String> {
    let Meta::List(list) = &attribute.meta else { return None };
    let text = list.tokens.to_string();
    let plain = attribute.path().is_ident("deny") || attribute.path().is_ident("forbid");
    let outside_tests = attribute.path().is_ident("cfg_attr") && text.contains("deny");
    (plain || outside_tests).then_some(text)
}
