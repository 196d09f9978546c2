//! How fast a model is computed: `cargo run --release -p engine --example speed -- MODEL.gguf [THREADS]`.
//!
//! Prints tokens per second of prompts, and of answers for 1 and 16 sequences at the same time, as medians of five rounds; and
//! how long loading takes and how much memory it leaves in use (on Linux).

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use canon::Fault;
use engine::gguf::Gguf;
use engine::scheduler::{Next, Options, Scheduler, Sequence};

const ROUNDS: usize = 5;
const PROMPT_TOKENS: usize = 512;
const ANSWER_TOKENS: usize = 128;

/// Takes the likeliest token, and reports when the first and the last came.
struct Timed {
    prompt: Vec<u32>,
    tokens_max: usize,
    chosen: usize,
    times: Sender<Instant>,
}

impl Sequence for Timed {
    fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn next(&mut self, logits: &mut [f32]) -> Next {
        self.chosen += 1;
        if self.chosen == 1 || self.chosen == self.tokens_max {
            // Nobody waits for the times of a sequence that was given up.
            let _unheard = self.times.send(Instant::now());
        }
        let best = logits
            .iter()
            .enumerate()
            .fold((0, f32::MIN), |best, (token, logit)| if *logit > best.1 { (token, *logit) } else { best });
        Next::Token(best.0 as u32)
    }

    fn fail(&mut self, _: Fault) {}
}

/// Runs so many sequences at once; gives the time to the last first token, and from there to the end.
fn round(scheduler: &Scheduler, count: usize, prompt: usize, answer: usize) -> (Duration, Duration) {
    let (times, received) = channel();
    let start = Instant::now();
    for number in 0..count {
        let prompt = (0..prompt).map(|at| ((at * 7919 + number * 104_729) % 40_000 + 10) as u32).collect();
        let sequence = Timed { prompt, tokens_max: answer, chosen: 0, times: times.clone() };
        drop(scheduler.submit(Box::new(sequence)));
    }
    drop(times);
    let mut all: Vec<Instant> = received.into_iter().collect();
    all.sort_unstable();
    let (first, last) = (all[count - 1], all[all.len() - 1]);
    (first - start, last - first)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name| status.lines().find(|line| line.starts_with(name)).unwrap_or("?").to_owned();
    format!("{} {} {}", of("VmRSS"), of("RssAnon"), of("VmHWM"))
}

fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or_else(|| Fault::malformed("MODEL", "name a GGUF file"))?;
    // The same prompts come again and again, and are to be computed each time.
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
    let speed = |tokens: usize, time: Duration| tokens as f64 / time.as_secs_f64();
    if wants("p") {
        let prompts = (0..ROUNDS).map(|_| speed(PROMPT_TOKENS, round(&scheduler, 1, PROMPT_TOKENS, 1).0));
        println!("prompt of {PROMPT_TOKENS}: {:.0} tokens/s", median(prompts.collect()));
    }
    for count in [1, 4, 16, 64] {
        if !wants(&count.to_string()) {
            continue;
        }
        let answers = (0..ROUNDS).map(|_| {
            let time = round(&scheduler, count, 16, ANSWER_TOKENS).1;
            speed(count * (ANSWER_TOKENS - 1), time)
        });
        println!("{count} answers of {ANSWER_TOKENS}: {:.0} tokens/s", median(answers.collect()));
    }
    std::thread::sleep(Duration::from_millis(100));
    println!("at rest: {}", resident());
    Ok(())
}
