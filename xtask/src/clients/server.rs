use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::run::signal;

/// How long the product may take until it serves.
const READY_S: u64 = 120;
/// How long it may take to drain.
const DRAIN_S: u64 = 30;

/// The product, serving on a port of its own choice with a data folder of its own.
pub struct Server {
    child: Child,
    /// Where it serves.
    pub url: String,
    /// The program.
    pub binary: PathBuf,
    folder: PathBuf,
}

impl Server {
    /// Starts `binary` and waits until it says that it is ready.
    ///
    /// # Errors
    /// That it ended or said nothing in time; its log is in the folder that the message names.
    pub fn start(binary: &Path) -> Result<Self, String> {
        let folder = env::temp_dir().join(format!("outcrop-clients-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let log = folder.join("log");
        let to_log = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut child = Command::new(binary)
            .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(to_log)
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        match ready(&mut child) {
            Some(url) => Ok(Self { child, url, binary: binary.to_owned(), folder }),
            None => {
                drop(child.kill());
                let text = fs::read_to_string(&log).unwrap_or_default();
                Err(format!("{} did not get ready:\n{text}", binary.display()))
            }
        }
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Asks it to stop and waits until it has drained.
    ///
    /// # Errors
    /// That it did not stop in time, or stopped with a failure.
    pub fn stop(mut self) -> Result<(), String> {
        signal(self.child.id(), "TERM")?;
        let deadline = Instant::now() + Duration::from_secs(DRAIN_S);
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => {
                    drop(fs::remove_dir_all(&self.folder));
                    return Ok(());
                }
                Ok(Some(status)) => {
                    return Err(format!("it stopped with {status}; see {}", self.folder.display()));
                }
                _ => thread::sleep(Duration::from_millis(50)),
            }
        }
        Err(format!("it did not drain within {DRAIN_S} s; see {}", self.folder.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The address in the line `ready http://…`.
fn ready(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take()?;
    let (found, address) = mpsc::channel();
    thread::spawn(move || {
        // Reading goes on after the line was found, so that the product never writes into a full pipe.
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(url) = line.strip_prefix("ready ") {
                drop(found.send(url.trim().to_owned()));
            }
        }
    });
    address.recv_timeout(Duration::from_secs(READY_S)).ok()
}
