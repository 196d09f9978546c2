use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use canon::Fault;
use clap::Args;
use engine::measure::likeliest_token;
use engine::scheduler::{Next, Options, Scheduler, Sequence};

use crate::Outcome;
use crate::setting::Setting;
use crate::table::{self, verdict};

/// The cache saves so much of the work on prompts, as the goal says.
const SAVED_MIN: f64 = 0.95;
/// Tokens of each prompt that are its own.
const OWN: usize = 20;

#[derive(Args)]
pub(crate) struct Prefix {
    #[command(flatten)]
    setting: Setting,
    /// Tokens that all prompts begin with.
    #[arg(long, default_value_t = 1500)]
    shared: usize,
    /// Requests.
    #[arg(long, default_value_t = 100)]
    requests: usize,
    /// Tokens of each answer.
    #[arg(long, default_value_t = 16)]
    answer: usize,
}

/// Takes the likeliest token, and gives its answer when it is dropped.
struct Greedy {
    number: usize,
    prompt: Vec<u32>,
    tokens_max: usize,
    answer: Vec<u32>,
    to: Sender<(usize, Vec<u32>)>,
}

impl Sequence for Greedy {
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
        let best = likeliest_token(logits).unwrap_or(0);
        self.answer.push(best);
        Next::Token(best)
    }

    fn fail(&mut self, _: Fault) {
        self.answer.clear();
    }
}

impl Drop for Greedy {
    fn drop(&mut self) {
        drop(self.to.send((self.number, std::mem::take(&mut self.answer))));
    }
}

/// What one run showed.
struct Run {
    computed: u64,
    seconds: f64,
    answers: Vec<Vec<u32>>,
}

impl Prefix {
    pub(crate) fn run(&self) -> Outcome<()> {
        let with = |prefix_cache| self.once(&Options { prefix_cache, ..self.setting.options() });
        let (off, on) = (with(false)?, with(true)?);
        let row = |name: &str, run: &Run| {
            vec![name.to_owned(), run.computed.to_string(), format!("{:.2}", run.seconds)]
        };
        table::print(
            &["prefix cache", "prompt tokens computed", "seconds"],
            &[row("off", &off), row("on", &on)],
        );
        let saved = 1.0 - on.computed as f64 / off.computed as f64;
        println!(
            "\n{} requests, {} tokens shared and {OWN} their own. Done when: work on prompts falls by at least 95%: {} \
             ({:.1}%). The same answers: {}.",
            self.requests,
            self.shared,
            verdict(saved >= SAVED_MIN),
            100.0 * saved,
            verdict(on.answers == off.answers && on.answers.iter().all(|answer| answer.len() == self.answer))
        );
        Ok(())
    }

    fn once(&self, options: &Options) -> Outcome<Run> {
        let scheduler: Scheduler = self.setting.scheduler(options)?;
        let vocabulary = scheduler.facts().vocabulary;
        let (to, ended) = channel();
        let start = Instant::now();
        for number in 0..self.requests {
            let shared = (0..self.shared).map(|at| at * 7919);
            let own = (0..OWN).map(|at| at * 104_729 + number * 31_337 + 1);
            let prompt = shared.chain(own).map(|it| (it % vocabulary) as u32).collect();
            let greedy =
                Greedy { number, prompt, tokens_max: self.answer, answer: Vec::new(), to: to.clone() };
            scheduler.submit(Box::new(greedy)).map_err(|fault| fault.to_string())?;
        }
        drop(to);
        let mut answers = vec![Vec::new(); self.requests];
        for (number, answer) in ended {
            answers[number] = answer;
        }
        let computed = scheduler.work().prompt_rows;
        Ok(Run { computed, seconds: start.elapsed().as_secs_f64(), answers })
    }
}
