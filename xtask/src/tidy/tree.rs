use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use super::Finding;
use super::source::Source;

/// The repository as the rules see it: every file that git knows or would add, and what cargo says of the crates.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    /// Relative to `root`, sorted.
    pub(super) paths: Vec<PathBuf>,
    pub(super) sources: Vec<Source>,
    pub(super) metadata: Metadata,
    unparsed: Vec<Finding>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let paths = paths(root)?;
        let (mut sources, mut unparsed) = (Vec::new(), Vec::new());
        for path in paths.iter().filter(|path| path.extension().is_some_and(|ext| ext == "rs")) {
            match Source::read(root, path) {
                Ok(source) => sources.push(source),
                Err(finding) => unparsed.push(finding),
            }
        }
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .map_err(|error| format!("cargo metadata: {error}"))?;
        Ok(Self { root: root.to_owned(), paths, sources, metadata, unparsed })
    }

    /// Rust files that are not Rust, which every other rule passes over.
    pub(super) fn unparsed(&self) -> Vec<Finding> {
        self.unparsed.clone()
    }

    /// The text of a file; empty where it cannot be read, so that a rule reports what it misses there.
    pub(super) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    /// The names of the files right under `folder`, of one extension and without it.
    pub(super) fn stems(&self, folder: &str, extension: &str) -> Vec<&str> {
        let here = |path: &&PathBuf| path.parent() == Some(Path::new(folder));
        let kind = |path: &&PathBuf| path.extension().is_some_and(|ext| ext == extension);
        self.paths.iter().filter(here).filter(kind).filter_map(|path| path.file_stem()?.to_str()).collect()
    }
}

fn paths(root: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git ls-files: {error}"))?;
    if !listed.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    let text = String::from_utf8(listed.stdout).map_err(|error| format!("git ls-files: {error}"))?;
    let mut paths: Vec<PathBuf> = text.split_terminator('\0').map(PathBuf::from).collect();
    // A file that was removed and not yet committed is still listed.
    paths.retain(|path| root.join(path).is_file());
    paths.sort();
    paths.dedup();
    Ok(paths)
}
