use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, ItemImpl, ItemMod, Signature, TraitItemFn};

use super::source::Source;
use super::{Finding, Tree};

/// Lines of code in a file that is not a test; aim for 150.
const FILE_LINES_MAX: usize = 500;
/// Lines of code in a function's body.
const FUNCTION_LINES_MAX: usize = 70;
/// Parameters of a function, `self` included.
const PARAMETERS_MAX: usize = 5;
/// Lines of code of tests inside the file that they test.
const INLINE_TEST_LINES_MAX: usize = 5;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

pub(super) fn check_source(source: &Source) -> Vec<Finding> {
    let mut measure = Measure { source, in_trait_impl: false, findings: Vec::new() };
    let lines = source.code_total();
    if lines > FILE_LINES_MAX && !source.is_test() {
        let problem = format!("{lines} lines of code, over {FILE_LINES_MAX}");
        measure.find(1, problem, "A second noun usually lives there: give it a file of its own.");
    }
    measure.visit_file(&source.syntax);
    measure.findings
}

struct Measure<'a> {
    source: &'a Source,
    /// A trait's methods have the parameters that the trait says.
    in_trait_impl: bool,
    findings: Vec<Finding>,
}

impl Measure<'_> {
    fn find(&mut self, line: usize, problem: String, remedy: &str) {
        self.findings.push(Finding::new(&self.source.path, line, problem, remedy));
    }

    fn signature(&mut self, signature: &Signature) {
        let (name, count) = (&signature.ident, signature.inputs.len());
        if count > PARAMETERS_MAX {
            let problem = format!("`{name}` takes {count} parameters, over {PARAMETERS_MAX}");
            self.find(name.span().start().line, problem, "Pass a struct that names them.");
        }
    }

    fn body(&mut self, signature: &Signature, body: &Block) {
        let (first, last) = (body.span().start().line, body.span().end().line);
        // The braces' own lines are not the body's.
        let lines = self.source.code_between(first + 1, last.saturating_sub(1));
        // A table of examples is as long as it needs to be.
        if lines > FUNCTION_LINES_MAX && !self.source.is_test() {
            let name = &signature.ident;
            let problem = format!("`{name}` has {lines} lines of code, over {FUNCTION_LINES_MAX}");
            self.find(name.span().start().line, problem, "Name a part of it and move it out.");
        }
    }
}

impl<'ast> Visit<'ast> for Measure<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.signature(&item.sig);
        self.body(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let outer = std::mem::replace(&mut self.in_trait_impl, item.trait_.is_some());
        visit::visit_item_impl(self, item);
        self.in_trait_impl = outer;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !self.in_trait_impl {
            self.signature(&item.sig);
        }
        self.body(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.signature(&item.sig);
        if let Some(body) = &item.default {
            self.body(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.ident == "tests" && item.content.is_some() {
            let (first, last) = (item.span().start().line, item.span().end().line);
            if self.source.code_between(first, last) > INLINE_TEST_LINES_MAX {
                let problem = "tests inside the file that they test".to_owned();
                self.find(first, problem, "Write `#[cfg(test)] mod tests;` and move them to foo/tests.rs.");
            }
        }
        visit::visit_item_mod(self, item);
    }
}
