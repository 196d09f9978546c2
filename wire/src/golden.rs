//! Golden files: `tests/golden/<name>` holds what the code said when it was last reviewed.

pub(crate) mod conversation;
mod matrix;

use std::path::{Path, PathBuf};

/// Compares `actual` with the golden file, or writes it when `BLESS=1` (`cargo xtask bless`).
pub(crate) fn check(name: &str, actual: &str) {
    let path = path(name);
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("create the folder");
        // Moved into place, because other tests may be reading it.
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        std::fs::write(&draft, actual).expect("write the golden file");
        std::fs::rename(&draft, &path).expect("put the golden file in place");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != actual {
        let at = expected.lines().zip(actual.lines()).position(|(old, new)| old != new);
        let line = at.unwrap_or_else(|| expected.lines().count().min(actual.lines().count()));
        let (old, new) = (expected.lines().nth(line), actual.lines().nth(line));
        panic!(
            "{name} differs from line {}:\n  golden: {old:?}\n  actual: {new:?}\n(run `cargo xtask bless` if it should)",
            line + 1
        );
    }
}

/// A golden file that is an input.
pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}
