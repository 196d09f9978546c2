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

/// A form of the model that scripts have llama.cpp run.
pub(crate) struct Form {
    /// Its name in jobs.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
}

/// The model as the file has it.
pub(crate) const SAME: Form = Form { key: "same", title: "llama.cpp, same file" };
/// llama.cpp's fastest format on CPUs, as its quantiser writes it: the output matrix keeps 8 bits.
pub(crate) const BEST: Form = Form { key: "Q4_0", title: "llama.cpp, Q4_0" };
pub(crate) const FORMS: [Form; 3] =
    [SAME, BEST, Form { key: "Q4_0 pure", title: "llama.cpp, Q4_0, output too" }];

/// What llama.cpp is timed at in `speed.py`: a prompt of so many tokens, or so many of each of several answers.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) streams: usize,
    pub(crate) tokens: usize,
}

/// How many tokens a second llama.cpp reads or writes.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// As its own bench counts: until the logits are there.
    pub(crate) computed: f64,
    /// Until its greedy sampler has chosen tokens by them, too.
    pub(crate) chosen: f64,
}

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

    /// Has llama.cpp try its options, of which it takes the best from then on; gives those.
    pub(crate) fn tune(&mut self, form: &Form, turn: Turn) -> Outcome<Value> {
        eprintln!("llama.cpp finds its best options");
        self.time("tune", form, turn)
    }

    pub(crate) fn speed(&mut self, form: &Form, turn: Turn) -> Outcome<Pace> {
        let answer = self.time("turn", form, turn)?;
        Ok(Pace { computed: number(&answer, "/tokens_per_s"), chosen: number(&answer, "/chosen_per_s") })
    }

    fn time(&mut self, what: &str, form: &Form, Turn { streams, tokens }: Turn) -> Outcome<Value> {
        self.ask(&json!({"do": what, "file": form.key, "streams": streams, "tokens": tokens}))
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
