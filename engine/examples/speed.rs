//! How fast a model is computed: `cargo run --release -p engine --example speed -- MODEL.gguf [THREADS [p|1|4|16|64]]`.
//!
//! Prints tokens per second of prompts, and of answers for 1 to 64 sequences at the same time, as medians of five rounds, or
//! only one of these; and how long loading takes and how much memory it leaves in use (on Linux).

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::path::Path;
use std::time::{Duration, Instant};

use canon::Fault;
use engine::gguf::Gguf;
use engine::measure::{decode, prefill, sorted_quantile};
use engine::scheduler::{Options, Scheduler};

const ROUNDS: u64 = 5;
const PROMPT_TOKENS: usize = 512;
const ANSWER_TOKENS: usize = 128;

/// The median of the rounds' figures; `figure` takes the number of a round.
fn median(figure: impl Fn(u64) -> Result<f64, Fault>) -> Result<f64, Fault> {
    let figures: Result<Vec<f64>, Fault> = (0..ROUNDS).map(figure).collect();
    Ok(sorted_quantile(&mut figures?, 0.5))
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name| status.lines().find(|line| line.starts_with(name)).unwrap_or("?").to_owned();
    format!("{} {} {}", of("VmRSS"), of("RssAnon"), of("VmHWM"))
}

fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or_else(|| Fault::malformed("MODEL", "name a GGUF file"))?;
    // What is guessed of prompts that mean nothing would flatter the figures.
    let mut options = Options { prefix_cache: false, speculate_tokens_max: 0, ..Options::default() };
    if let Some(threads) = arguments.next().and_then(|threads| threads.parse().ok()) {
        options.threads = threads;
    }
    let start = Instant::now();
    let gguf = Gguf::open(Path::new(&path))?;
    let scheduler = Scheduler::start(&gguf, &options)?;
    drop(gguf);
    println!("loaded in {:?}, {:?}", start.elapsed(), scheduler.facts());
    println!("after loading: {}", resident());

    let only = std::env::args().nth(3);
    let wants = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wants("p") {
        let figure = median(|round| prefill(&scheduler, PROMPT_TOKENS, round))?;
        println!("prompt of {PROMPT_TOKENS}: {figure:.0} tokens/s");
    }
    for count in [1, 4, 16, 64] {
        if wants(&count.to_string()) {
            let figure = median(|round| decode(&scheduler, count, ANSWER_TOKENS, round))?;
            println!("{count} answers of {ANSWER_TOKENS}: {figure:.0} tokens/s");
        }
    }
    std::thread::sleep(Duration::from_millis(100));
    println!("at rest: {}", resident());
    Ok(())
}
