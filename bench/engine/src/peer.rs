use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::Outcome;
use crate::setting::Setting;

/// The Python that has llama.cpp; `cargo xtask bench` installs it and says where.
const PYTHON: &str = "OUTCROP_BENCH_PYTHON";
/// Where scripts keep what takes long to make: the model in another format.
const CACHE: &str = "OUTCROP_BENCH_CACHE";

/// One of the scripts beside this program. It reads a JSON value a line and answers each with one.
pub(crate) struct Peer {
    child: Child,
    jobs: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a script with the setting's model and threads.
    pub(crate) fn start(script: &str, setting: &Setting) -> Outcome<Self> {
        let python = std::env::var_os(PYTHON).ok_or_else(|| {
            format!("{PYTHON} names no Python with llama-cpp-python; run this by `cargo xtask bench engine`")
        })?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
        let mut command = Command::new(python);
        command.arg("-u").arg(path).arg("--model").arg(&setting.model);
        command.args(["--threads", &setting.threads().to_string()]);
        command.env("OPENBLAS_NUM_THREADS", setting.threads().to_string());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        if std::env::var_os(CACHE).is_none() {
            command.env(CACHE, std::env::temp_dir());
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{script}: {error}"))?;
        let answers = child.stdout.take().ok_or("no pipe")?;
        Ok(Self { jobs: child.stdin.take(), child, answers: BufReader::new(answers) })
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Has llama.cpp try its options for answers of so many tokens, of which it takes the best from then on.
    pub(crate) fn tune(&mut self, answer: usize) -> Outcome<Value> {
        eprintln!("llama.cpp finds its best options");
        self.ask(&json!({"do": "tune", "answer": answer}))
    }

    pub(crate) fn ask(&mut self, job: &Value) -> Outcome<Value> {
        let jobs = self.jobs.as_mut().ok_or("the peer has ended")?;
        writeln!(jobs, "{job}").map_err(|error| format!("the peer has ended: {error}"))?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| error.to_string())?;
        serde_json::from_str(&line).map_err(|error| format!("the peer says {line:?}: {error}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        drop(self.child.wait());
    }
}

/// A member of an answer that is a number.
pub(crate) fn number(value: &Value, name: &str) -> f64 {
    value.pointer(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
}
