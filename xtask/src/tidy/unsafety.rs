use std::path::Path;

use syn::visit::{self, Visit};
use syn::{ExprUnsafe, ItemForeignMod, ItemImpl, ItemTrait, Safety, Signature, Token};

use super::source::Source;
use super::{Finding, Tree};

/// Where `unsafe` may stand, each with its reason. A place that ends in `/` is a folder.
const PLACES: [(&str, &str); 2] = [
    ("engine/src/kernels/", "the CPU's vector instructions have no other door"),
    ("engine/src/mapped.rs", "a model file is mapped, not copied"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

pub(super) fn check_source(source: &Source) -> Vec<Finding> {
    let mut search = Search { path: &source.path, findings: Vec::new() };
    if !is_place(&source.path) {
        search.visit_file(&source.syntax);
    }
    search.findings
}

fn is_place(path: &Path) -> bool {
    let path = path.to_string_lossy();
    PLACES
        .iter()
        .any(|(place, _)| if place.ends_with('/') { path.starts_with(place) } else { path == *place })
}

struct Search<'a> {
    path: &'a Path,
    findings: Vec<Finding>,
}

impl Search<'_> {
    fn find(&mut self, keyword: Option<&Token![unsafe]>) {
        let Some(keyword) = keyword else { return };
        let places: Vec<&str> = PLACES.iter().map(|(place, _)| *place).collect();
        self.findings.push(Finding::new(
            self.path,
            keyword.span.start().line,
            "`unsafe` outside its rooms",
            format!("Find a safe way; `unsafe` stands in {places:?} alone (xtask/src/tidy/unsafety.rs)."),
        ));
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_expr_unsafe(&mut self, expr: &'ast ExprUnsafe) {
        self.find(Some(&expr.unsafe_token));
        visit::visit_expr_unsafe(self, expr);
    }

    fn visit_signature(&mut self, signature: &'ast Signature) {
        if let Safety::Unsafe(keyword) = &signature.safety {
            self.find(Some(keyword));
        }
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.find(item.unsafety.as_ref());
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.find(item.unsafety.as_ref());
        visit::visit_item_trait(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast ItemForeignMod) {
        self.find(item.unsafety.as_ref());
        visit::visit_item_foreign_mod(self, item);
    }
}
