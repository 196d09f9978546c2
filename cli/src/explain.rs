//! `outcrop explain`: the pages of `docs/errors/`, in the binary.

use server::Failure;

use crate::args::Explain;
use crate::report;
use crate::table::{Column, render};

macro_rules! pages {
    ($($code:literal)*) => {
        /// Each fault's code and page, in the order of [`canon::Kind::CODES`].
        const PAGES: &[Page] = &[$(($code, include_str!(concat!("../../docs/errors/", $code, ".md")))),*];
    };
}

pages! {
    "malformed" "unsupported" "too-large" "unauthenticated" "forbidden" "unknown-model" "unknown-route"
    "context-exceeded" "throttled" "overloaded" "no-capacity" "not-ready" "draining" "upstream" "upstream-timeout"
    "upstream-stream" "storage" "internal"
}

type Page = (&'static str, &'static str);

/// Prints a fault's page, or the titles of those that are meant, or of all.
pub(crate) fn run(explain: &Explain) -> Result<(), Failure> {
    let Some(name) = &explain.code else { return report::data(&titles(PAGES.iter())) };
    match &meant(name)[..] {
        [] => Err(Failure::usage(format!("no kind of fault is called {name}"))
            .with_help("outcrop explain lists them all")),
        [(_, page)] => report::data(page),
        several => report::data(&titles(several.iter().copied())),
    }
}

/// The page of this code, or those that name it as what a client sees, such as `ThrottlingException`.
fn meant(name: &str) -> Vec<&'static Page> {
    let called = |(code, _): &&Page| code.eq_ignore_ascii_case(name);
    if let Some(page) = PAGES.iter().find(called) {
        return vec![page];
    }
    let shown = format!("`{name}`");
    PAGES.iter().filter(|(_, page)| page.contains(&shown)).collect()
}

fn titles<'p>(pages: impl Iterator<Item = &'p Page>) -> String {
    let row = |&(code, page): &Page| {
        let title = page.lines().next().unwrap_or_default();
        let title = title.split_once(": ").map_or(title, |(_, title)| title);
        [code.to_owned(), title.to_owned()]
    };
    render(&[Column::Left("CODE"), Column::Left("MEANS")], &pages.map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
