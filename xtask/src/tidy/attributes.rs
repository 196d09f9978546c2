use std::path::Path;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Meta};

use super::source::Source;
use super::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

pub(super) fn check_source(source: &Source) -> Vec<Finding> {
    let mut attributes = Attributes { path: &source.path, findings: Vec::new() };
    attributes.visit_file(&source.syntax);
    attributes.findings
}

struct Attributes<'a> {
    path: &'a Path,
    findings: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Attributes<'_> {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if silences(attribute) {
            self.findings.push(Finding::new(
                self.path,
                attribute.span().start().line,
                "a lint is silenced for good",
                "Mend the cause, or write `#[expect(lint, reason = \"…\")]`, which tells when it is no longer needed.",
            ));
        }
        visit::visit_attribute(self, attribute);
    }
}

/// `#[allow(..)]`, plain or under a condition.
fn silences(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("allow") {
        return true;
    }
    let Meta::List(list) = &attribute.meta else { return false };
    attribute.path().is_ident("cfg_attr")
        && list.tokens.clone().into_iter().any(|token| token.to_string() == "allow")
}
