use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::verify::is_genuine;
use super::{KnownFile, KnownModel, Progress, pull};
use crate::{Failure, places};

/// The folder in which the files of known models are kept.
#[derive(Clone, Debug)]
pub struct Cache {
    pub(super) dir: PathBuf,
    /// Where `uv` and `pip` are looked for, as `PATH` spells it.
    pub(super) search_path: OsString,
}

impl Cache {
    /// The cache in `dir`, or where there is none in the platform's cache folder.
    ///
    /// # Errors
    /// [`Failure::USAGE`] where `dir` is not given and the user has no home folder.
    pub fn new(dir: Option<PathBuf>) -> Result<Self, Failure> {
        let dir = places::model_dir(dir)?;
        Ok(Self { dir, search_path: std::env::var_os("PATH").unwrap_or_default() })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where `model` lies, or would: its file, or its folder where it has several.
    #[must_use]
    pub fn path_of(&self, model: &KnownModel) -> PathBuf {
        let mut path = self.dir.join(model.file_name);
        if !model.beside.is_empty() {
            path.pop();
        }
        path
    }

    /// The files of `model` and their places. The largest is the last, so that where it is, the others are.
    pub(super) fn places(&self, model: &KnownModel) -> Vec<(KnownFile, PathBuf)> {
        let beside = model.beside.iter().map(|file| (*file, self.path_of(model).join(file.path)));
        beside.chain([(model.largest(), self.dir.join(model.file_name))]).collect()
    }

    /// The path of `model` if it is here and genuine. Reads its files unless that was done before.
    #[must_use]
    pub fn find(&self, model: &KnownModel) -> Option<PathBuf> {
        let genuine = |(file, place): &(KnownFile, PathBuf)| is_genuine(file, place).unwrap_or(false);
        self.places(model).iter().all(genuine).then(|| self.path_of(model))
    }

    /// The path of `model`, which is fetched first where it is not here.
    ///
    /// Dropping the future stops the transfer; the next one goes on from there where the source can.
    ///
    /// # Errors
    /// [`Failure::UNAVAILABLE`] where no source yields the file, with the reason of each and what to do by hand;
    /// [`Failure::IO`] where it cannot be kept.
    pub async fn pull(
        &self,
        model: &'static KnownModel,
        progress: &dyn Progress,
    ) -> Result<PathBuf, Failure> {
        pull::pull(self, model, progress).await
    }
}
