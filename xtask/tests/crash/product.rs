use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running product.
pub(crate) struct Product {
    child: Child,
    pub(crate) address: String,
    pub(crate) api_key: String,
}

impl Product {
    pub(crate) fn start(binary: &Path, data: &Path) -> Result<Self, String> {
        fs::create_dir_all(data).map_err(|error| error.to_string())?;
        let log = fs::File::create(data.with_extension("log")).map_err(|error| error.to_string())?;
        let mut child = Command::new(binary)
            .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| error.to_string())?;
        let stdout = child.stdout.take().ok_or("no pipe")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let Some(url) = lines.find_map(|line| line.strip_prefix("ready http://").map(str::to_owned)) else {
            drop(child.kill());
            return Err(fs::read_to_string(data.with_extension("log")).unwrap_or_default());
        };
        // The rest of the banner is small enough for the pipe, and nobody reads it.
        let api_key = fs::read_to_string(data.join("api-key")).map_err(|error| error.to_string())?;
        Ok(Self { child, address: url.trim().to_owned(), api_key: api_key.trim().to_owned() })
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is running");
        self.child.wait().expect("it was killed");
    }

    /// SIGTERM, and wait.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        xtask::run::signal(self.child.id(), "TERM")?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(status.to_string()) }
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether `outcrop audit verify` finds everything in order.
pub(crate) fn verifies(binary: &Path, data: &Path) -> bool {
    let mut command = Command::new(binary);
    command.args(["audit", "verify", "--data-dir"]).arg(data).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("it can be started").success()
}
