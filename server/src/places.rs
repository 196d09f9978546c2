//! Where things lie: the data folder, and the files in it that other programs read.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use crate::Failure;

/// In the data folder, while a server runs: its URL, one line.
pub const ENDPOINT_FILE: &str = "endpoint";
/// In the data folder: a long-term bearer key, one line.
pub const API_KEY_FILE: &str = "api-key";
/// In the data folder: the same key for AWS clients, as their shared credentials file.
pub const CREDENTIALS_FILE: &str = "credentials";
/// In the data folder: the certificate that TLS clients must trust.
pub const CA_FILE: &str = "tls/ca.pem";

/// The data folder that was `chosen`, or the platform's.
///
/// # Errors
/// [`Failure::USAGE`] where none was chosen and the user has no home folder.
pub fn data_dir(chosen: Option<PathBuf>) -> Result<PathBuf, Failure> {
    match chosen {
        Some(dir) => Ok(dir),
        None => Ok(platform("keep data", "--data-dir DIR")?.data_dir().join("outcrop")),
    }
}

/// The folder for models that was `chosen`, or the platform's.
pub(crate) fn model_dir(chosen: Option<PathBuf>) -> Result<PathBuf, Failure> {
    match chosen {
        Some(dir) => Ok(dir),
        None => {
            Ok(platform("keep models", "OUTCROP_MODEL_DIR=DIR")?.cache_dir().join("outcrop").join("models"))
        }
    }
}

fn platform(what: &str, remedy: &str) -> Result<impl etcetera::BaseStrategy, Failure> {
    etcetera::choose_base_strategy().map_err(|_| {
        Failure::usage(format!("there is no home folder to {what} in"))
            .with_help(format!("say where with {remedy}"))
    })
}
