use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long the product may take to say or do something.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running product, with a data folder of its own.
pub(crate) struct Product {
    child: Child,
    pub(crate) binary: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) address: String,
    pub(crate) api_key: String,
}

impl Product {
    /// Serves the default model.
    pub(crate) fn with_model(binary: &Path, data: &Path) -> Self {
        Self::start(binary, data, &[])
    }

    /// Serves what the estate file declares, and nothing else.
    pub(crate) fn before(binary: &Path, data: &Path, estate: &Path) -> Self {
        Self::start(binary, data, &["--no-default-model", "--estate", &estate.to_string_lossy()])
    }

    fn start(binary: &Path, data: &Path, more: &[&str]) -> Self {
        fs::create_dir_all(data).expect("a folder can be made");
        let log = fs::File::create(data.with_extension("log")).expect("a log can be made");
        let mut child = Command::new(binary)
            .args(["--data-dir", &data.to_string_lossy(), "up", "--listen", "127.0.0.1:0"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the product can be started");
        let stdout = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("ready http://").map(str::to_owned));
        let said = || fs::read_to_string(data.with_extension("log")).unwrap_or_default();
        let address = address.unwrap_or_else(|| panic!("it did not get ready: {}", said()));
        let api_key = fs::read_to_string(data.join("api-key")).expect("it has made a key");
        let (binary, data) = (binary.to_owned(), data.to_owned());
        Self { child, binary, data, address, api_key: api_key.trim().to_owned() }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is running");
        self.child.wait().expect("it was killed");
    }

    /// Makes it read its estate file again.
    pub(crate) fn hang_up(&self) {
        self.signal("HUP");
    }

    /// Waits until its log holds every one of `words` in one line, and yields that line.
    pub(crate) fn logged(&self, words: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| words.iter().all(|word| line.contains(word))) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no line with {words:?} in its log:\n{log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.data.with_extension("log")).expect("it has a log")
    }

    /// SIGTERM, and wait; then its audit trail must verify.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}: {}", self.log());
        let (data, binary) = (self.data.clone(), self.binary.clone());
        let mut verify = Command::new(binary);
        verify.args(["--data-dir", &data.to_string_lossy(), "audit", "verify"]);
        xtask::run::quietly(&mut verify).expect("the audit trail verifies");
    }

    fn signal(&self, signal: &str) {
        xtask::run::signal(self.child.id(), signal).expect("it is running");
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
