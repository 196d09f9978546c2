//! How fast this machine runs a model, measured and kept: the deployment's capacity.

mod record;

use std::path::{Path, PathBuf};
use std::time::Duration;

use canon::{Fault, ModelId};
use engine::gguf::Gguf;
use engine::measure::{self, Demand};
use engine::scheduler::Scheduler;
use gateway::Clock as _;

use crate::Failure;
use crate::models::{Cache, DEFAULT, Progress as Pulling, find};
use crate::ports::WallClock;
use crate::up::local_id;

pub use engine::measure::{Load, Measured, Plan, Progress, Stage};
pub use record::CAPACITY_FILE;

/// What is to be measured.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A GGUF file, or the name of a known model; the default model where there is none.
    pub model: Option<String>,
    /// Where fetched models are kept.
    pub model_dir: Option<PathBuf>,
    /// Threads that compute; one for each CPU where there is none.
    pub threads: Option<usize>,
    /// Fewer rounds and requests.
    pub quick: bool,
}

/// A measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Benched {
    /// The model, by the name that calls use.
    pub model: ModelId,
    /// When it ended, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Whether it was a first look only.
    pub quick: bool,
    /// The figures.
    pub measured: Measured,
}

impl Benched {
    /// The measurement as one JSON object, as `outcrop bench --json` prints it and the data folder keeps it.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        record::json(self)
    }
}

/// Finds the model, which is fetched first where it is not here, measures it and keeps the result in `dir`. Nothing else
/// should run on the machine meanwhile.
///
/// # Errors
/// [`Failure::USAGE`] where no such model is known or the file is none that is computed here; what fetching fails with;
/// [`Failure::IO`] where the result cannot be kept.
pub async fn bench(
    dir: &Path,
    options: &Options,
    pulling: &dyn Pulling,
    measuring: Box<dyn Progress + Send>,
) -> Result<Benched, Failure> {
    let (path, model) = locate(options, pulling).await?;
    let (threads, quick) = (options.threads, options.quick);
    let work = move || measure(&path, threads, quick, &*measuring);
    let measured = tokio::task::spawn_blocking(work).await;
    let measured =
        measured.map_err(|error| Failure::internal(format!("the measurement broke off: {error}")))?;
    let measured = measured.map_err(|fault| unusable(&fault))?;
    let benched = Benched { model, at_ms: WallClock.now_ms(), quick, measured };
    record::keep(dir, &benched)?;
    Ok(benched)
}

async fn locate(options: &Options, pulling: &dyn Pulling) -> Result<(PathBuf, ModelId), Failure> {
    let known = match options.model.as_deref() {
        Some(path) if Path::new(path).exists() => return Ok((path.into(), local_id(Path::new(path)))),
        Some(name) => find(name).ok_or_else(|| {
            Failure::usage(format!("{name} is neither a file nor a known model"))
                .with_help("name a GGUF file or a folder, or one of: outcrop pull --list")
        })?,
        None => DEFAULT,
    };
    let path = Cache::new(options.model_dir.clone())?.pull(known, pulling).await?;
    Ok((path, ModelId::new(known.id)))
}

fn measure(
    path: &Path,
    threads: Option<usize>,
    quick: bool,
    progress: &dyn Progress,
) -> Result<Measured, Fault> {
    let gguf = Gguf::open(path)?;
    // Random words repeat themselves as no text does: what is guessed ahead would flatter the machine.
    let mut limits = engine::Options { speculate_tokens_max: 0, ..engine::Options::default() };
    limits.threads = threads.unwrap_or(limits.threads);
    // Answers to words by chance repeat themselves more than others do, so that guessing ahead would flatter.
    limits.speculate_tokens_max = 0;
    let demand = Demand::of(&gguf);
    let scheduler = Scheduler::start(&gguf, &limits)?;
    drop(gguf);
    let plan = if quick { Plan::QUICK } else { Plan::FULL };
    measure::run(&scheduler, (demand, limits.threads), &plan, progress)
}

fn unusable(fault: &Fault) -> Failure {
    Failure::usage(fault.to_string()).with_help("take another file or folder with --model PATH")
}

/// So many milliseconds, to a thousandth.
fn millis(seconds: f64) -> f64 {
    (Duration::from_secs_f64(seconds).as_micros() as f64) / 1e3
}

#[cfg(test)]
mod tests;
