use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::Minted;
use canon::{Fault, Secret};

use crate::{file, problem};

/// The folder of one Outcrop, and the lock on it. While a value of this lives, no other process can have one.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: Arc<Path>,
    _lock: Arc<Lock>,
}

/// A locked file.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    /// Closing is not enough: a child that is just being started shares the file until it runs its own program.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "the data folder could not be unlocked");
        }
    }
}

/// The credentials that the first start wrote.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The AWS access key id.
    pub access_key_id: String,
    /// The AWS secret access key.
    pub secret_access_key: Secret,
    /// The long-term API key.
    pub api_key: Secret,
}

impl DataDir {
    /// Makes the folder where it is missing, and locks it.
    ///
    /// # Errors
    /// [`canon::Kind::Storage`] where another process holds the folder, which the message names, or where it cannot be
    /// made or written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Fault> {
        let path = path.into();
        file::ensure_folder(&path)?;
        let lock_path = path.join("lock");
        let mut lock = file::ensure(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(&path, &lock_path)),
            Err(TryLockError::Error(error)) => {
                return Err(problem::file(&lock_path, error, "Use a folder on a local disk."));
            }
        }
        let note = |lock: &mut File| {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        note(&mut lock).map_err(|error| problem::file(&lock_path, error, "Make room on its disk."))?;
        Ok(Self { path: path.into(), _lock: Arc::new(Lock(lock)) })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The credentials as the files say; `None` before the first start has made them.
    ///
    /// # Errors
    /// [`canon::Kind::Storage`] where a file is there and cannot be read as what it should be.
    pub fn credentials(&self) -> Result<Option<Credentials>, Fault> {
        let (ini_path, api_path) = (self.path.join("credentials"), self.path.join("api-key"));
        let (Some(ini), Some(api_key)) = (read(&ini_path)?, read(&api_path)?) else { return Ok(None) };
        let member = |name: &str| {
            let lines = ini.lines().filter_map(|line| line.split_once('='));
            lines.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name)
        };
        let missing = |name: &str| {
            problem::file(&ini_path, format!("no {name}"), "Make a new key: outcrop keys create.")
        };
        let (_, id) = member("aws_access_key_id").ok_or_else(|| missing("aws_access_key_id"))?;
        let (_, secret) = member("aws_secret_access_key").ok_or_else(|| missing("aws_secret_access_key"))?;
        Ok(Some(Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: Secret::new(secret),
            api_key: Secret::new(api_key.trim()),
        }))
    }

    /// Writes a key's secrets where its owner finds them.
    pub(crate) fn write_credentials(&self, minted: &Minted) -> Result<(), Fault> {
        let mut ini = String::from("[default]\n");
        let secret = String::from_utf8_lossy(minted.secret_access_key.expose());
        // Writing to a string cannot fail.
        let _infallible = write!(
            ini,
            "aws_access_key_id = {}\naws_secret_access_key = {secret}\nregion = us-east-1\n",
            minted.access_key_id
        );
        file::replace(&self.path.join("credentials"), ini.as_bytes())?;
        let api_key = [minted.api_key.expose(), b"\n"].concat();
        file::replace(&self.path.join("api-key"), &api_key)
    }
}

fn read(path: &Path) -> Result<Option<String>, Fault> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(problem::file(path, error, "Run as the user who owns the data folder.")),
    }
}

fn held(path: &Path, lock: &Path) -> Fault {
    let pid = fs::read_to_string(lock).unwrap_or_default();
    let holder = match pid.trim() {
        "" => "Another process".to_owned(),
        pid => format!("Process {pid}"),
    };
    let message = format!(
        "{holder} already serves from {}. Stop it, or give this one another folder with --data-dir.",
        path.display()
    );
    Fault::new(canon::Kind::Storage, message)
}

#[cfg(test)]
mod tests;
