use std::path::Path;

use syn::visit::Visit;
use syn::{Expr, ImplItemConst, Lit};

use super::{Finding, Tree};

/// Where the kinds of fault are listed.
const LIST: &str = "canon/src/fault.rs";
/// Where their pages are.
const PAGES: &str = "docs/errors";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(source) = tree.sources.iter().find(|source| source.path == Path::new(LIST)) else {
        return vec![Finding::new(
            Path::new(LIST),
            0,
            "no list of faults",
            "Update xtask/src/tidy/faults.rs.",
        )];
    };
    let mut codes = Codes::default();
    codes.visit_file(&source.syntax);
    let pages = tree.stems(PAGES, "md");
    let mut findings = Vec::new();
    if codes.0.is_empty() {
        findings.push(Finding::new(&source.path, 0, "no `CODES`", "Update xtask/src/tidy/faults.rs."));
    }
    for (code, line) in codes.0.iter().filter(|(code, _)| !pages.contains(&code.as_str())) {
        let remedy = format!("Write {PAGES}/{code}.md: what it means, what callers see, what to do.");
        findings.push(Finding::new(&source.path, *line, format!("fault `{code}` has no page"), remedy));
    }
    for page in pages.iter().filter(|page| !codes.0.iter().any(|(code, _)| code == *page)) {
        let path = Path::new(PAGES).join(format!("{page}.md"));
        findings.push(Finding::new(
            &path,
            0,
            "a page for a fault that does not exist",
            "Remove or rename it.",
        ));
    }
    findings
}

/// The members of the constant `CODES`, each with its line.
#[derive(Default)]
struct Codes(Vec<(String, usize)>);

impl<'ast> Visit<'ast> for Codes {
    fn visit_impl_item_const(&mut self, item: &'ast ImplItemConst) {
        let Expr::Array(array) = &item.expr else { return };
        if item.ident == "CODES" {
            self.0.extend(array.elems.iter().filter_map(code));
        }
    }
}

fn code(element: &Expr) -> Option<(String, usize)> {
    match element {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some((text.value(), text.span().start().line)),
            _ => None,
        },
        _ => None,
    }
}
