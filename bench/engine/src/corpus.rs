//! Text of many kinds that is on a machine on which this repository is built: no download, and the same for every
//! contender. What was taken is printed with the figures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// At most so much of one file, so that none outweighs the others.
const FILE_BYTES_MAX: usize = 24 << 10;

/// A kind of text, and the files that it was taken from.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) files: Vec<PathBuf>,
}

/// Every kind that is here.
pub(crate) fn kinds() -> Vec<Kind> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = said("python3", &["-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]);
    let rust = said("rustc", &["--print", "sysroot"]).map(|sysroot| sysroot.join("share/doc"));
    let kind = |name, files: Vec<PathBuf>| Kind { name, files };
    let mut kinds = vec![
        kind("this repository's pages", files(&root.join("docs"), "md")),
        kind("this repository's Rust", files(&root.join("engine/src"), "rs")),
        kind("this repository's clients in JavaScript", files(&root.join("clients"), "mjs")),
        kind("licences", files(Path::new("/usr/share/common-licenses"), "")),
        kind("Vim's tutor in other languages", files(Path::new("/usr/share/vim"), "utf-8")),
        kind("Perl's library", files(Path::new("/usr/share/perl"), "pm")),
    ];
    if let Some(python) = python {
        kinds.push(kind("Python's library", files(&python.join("email"), "py")));
        kinds.push(kind("Python's topics of help", files(&python.join("pydoc_data"), "py")));
    }
    if let Some(rust) = rust {
        kinds.push(kind("the Rust toolchain's pages", files(&rust, "md")));
    }
    kinds.retain(|kind| !kind.files.is_empty());
    kinds
}

/// Pieces of text, the kinds in turn, each file from where the last piece of it ended.
pub(crate) fn texts(kinds: &[Kind]) -> impl Iterator<Item = String> {
    let most = kinds.iter().map(|kind| kind.files.len()).max().unwrap_or(0);
    let turns = (0..most).flat_map(move |at| kinds.iter().filter_map(move |kind| kind.files.get(at)));
    turns.filter_map(|path| {
        let bytes = fs::read(path).ok()?;
        let text = String::from_utf8_lossy(bytes.get(..FILE_BYTES_MAX).unwrap_or(&bytes));
        // The end of a file that was cut may be half a character.
        Some(text.trim_end_matches('\u{fffd}').to_owned())
    })
}

/// Files under `folder` whose name ends so, sorted by their paths. Links are not followed.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            if kind.as_ref().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if kind.is_ok_and(|kind| kind.is_file())
                && (extension.is_empty() || path.extension().is_some_and(|found| found == extension))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn said(program: &str, words: &[&str]) -> Option<PathBuf> {
    let done = Command::new(program).args(words).output().ok()?;
    Some(PathBuf::from(String::from_utf8(done.stdout).ok()?.trim()))
}
