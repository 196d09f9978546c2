use std::path::Path;

use syn::Ident;
use syn::visit::{self, Visit};

use super::source::Source;
use super::{Finding, Tree};

/// Names that refuse nothing, so that everything ends up there.
const EMPTY_NAMES: [&str; 10] =
    ["utils", "util", "helpers", "helper", "common", "types", "core", "misc", "shared", "stuff"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

pub(super) fn check_source(source: &Source) -> Vec<Finding> {
    let mut modules =
        Modules { path: &source.path, findings: check_path(&source.path).into_iter().collect() };
    modules.visit_file(&source.syntax);
    modules.findings
}

fn check_path(path: &Path) -> Option<Finding> {
    let stem = path.file_stem().and_then(|stem| stem.to_str())?;
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    let name = EMPTY_NAMES.into_iter().find(|name| *name == stem || *name == folder)?;
    Some(finding(path, 0, name))
}

struct Modules<'a> {
    path: &'a Path,
    findings: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Modules<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if let Some(name) = empty(&item.ident) {
            self.findings.push(finding(self.path, item.ident.span().start().line, name));
        }
        visit::visit_item_mod(self, item);
    }
}

fn empty(ident: &Ident) -> Option<&'static str> {
    EMPTY_NAMES.into_iter().find(|name| ident == name)
}

fn finding(path: &Path, line: usize, name: &str) -> Finding {
    Finding::new(
        path,
        line,
        format!("`{name}` says nothing of what is inside"),
        "Name the noun that it holds.",
    )
}
