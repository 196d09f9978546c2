use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{env, thread};

use super::{Client, Server};

/// How long a client may take to import what it needs.
const START_S: u64 = 120;
/// How long one case may take.
const CASE_S: u64 = 300;

/// Variables of the caller's own accounts, which must not reach a client under test.
const FOREIGN: [&str; 7] = ["AWS_", "OPENAI_", "ANTHROPIC_", "LANGCHAIN_", "LANGSMITH_", "OTEL_", "OUTCROP_"];

/// A client's process. It says `::case NAME` for each of its cases and `::ready`; then it reads a name a line, and
/// answers `::passed`, or `::failed` with the problem as a JSON string. What else it prints is its own affair.
pub struct Process {
    client: Client,
    environment: Vec<(&'static str, String)>,
    running: Option<Running>,
    /// The names of its cases.
    pub cases: Vec<String>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Process {
    /// Starts the process and learns its cases.
    ///
    /// # Errors
    /// That it could not be started, or ended before it was ready.
    pub fn start(client: Client, server: &Server) -> Result<Self, String> {
        let data = server.data();
        let path = |name: &str| data.join(name).to_string_lossy().into_owned();
        let environment = vec![
            ("OUTCROP_URL", server.url.clone()),
            ("OUTCROP_DIR", path("")),
            (super::BINARY, server.binary.to_string_lossy().into_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("NODE_EXTRA_CA_CERTS", path("tls/ca.pem")),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ];
        let mut process = Self { client, environment, running: None, cases: Vec::new() };
        process.spawn()?;
        Ok(process)
    }

    /// Runs one case.
    ///
    /// # Errors
    /// What is wrong, in the client's own words; or that its process ended or hung.
    pub fn run(&mut self, case: &str) -> Result<(), String> {
        if self.running.is_none() {
            self.spawn()?;
        }
        let outcome = self.running.as_mut().map_or(Outcome::Gone, |running| running.run(case));
        match outcome {
            Outcome::Passed => Ok(()),
            Outcome::Failed(problem) => Err(problem),
            Outcome::Gone => {
                self.running = None;
                Err(format!("the client's process ended, or said nothing for {CASE_S} s"))
            }
        }
    }

    fn spawn(&mut self) -> Result<(), String> {
        let mut command = self.client.command();
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| FOREIGN.iter().any(|prefix| name.starts_with(prefix))) {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        let name = self.client.name;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: {error}; `cargo xtask test --only sdks` installs it"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{name}: no pipes"));
        };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let said = BufReader::new(output).lines().map_while(Result::ok);
            for line in said.filter_map(|line| Some(line.strip_prefix("::")?.to_owned())) {
                drop(sender.send(line));
            }
        });
        let mut running = Running { child, input, lines };
        self.cases = running.cases().ok_or_else(|| format!("{name}: it ended before it was ready"))?;
        self.running = Some(running);
        Ok(())
    }
}

enum Outcome {
    Passed,
    Failed(String),
    Gone,
}

impl Running {
    fn cases(&mut self) -> Option<Vec<String>> {
        let mut cases = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(START_S)).ok()?;
            match line.strip_prefix("case ") {
                Some(name) => cases.push(name.to_owned()),
                None => return Some(cases),
            }
        }
    }

    fn run(&mut self, case: &str) -> Outcome {
        if writeln!(self.input, "{case}").and_then(|()| self.input.flush()).is_err() {
            return Outcome::Gone;
        }
        let Ok(line) = self.lines.recv_timeout(Duration::from_secs(CASE_S)) else { return Outcome::Gone };
        match line.strip_prefix("failed ") {
            Some(text) => Outcome::Failed(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())),
            None => Outcome::Passed,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
