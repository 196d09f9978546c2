use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use canon::{Fault, Kind};
use clap::Args;
use engine::Engine;
use engine::measure::likeliest_token;
use engine::scheduler::{Next, Options, Scheduler, Sequence};

use crate::Outcome;
use crate::calls::{call, held_to, request, text};
use crate::setting::Setting;
use crate::table::verdict;

/// A caller that hears nothing for so long is stuck: with a full queue before it, no request takes a tenth of it.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// Part of the time after which memory should have found its size.
const WARM_UP: f64 = 0.25;
/// Memory may grow by so much from then on, as allocators do.
const GROWTH_MAX: f64 = 1.03;
/// Callers that send one request after the other.
const CALLERS: u64 = 24;
/// Requests of a crowd that comes at once: more than the queue takes.
const CROWD: u64 = 40;
const QUEUE_MAX: usize = 32;
/// Words that many prompts begin with, some fifteen hundred tokens.
const COMMON: &str =
    "Outcrop serves foundation models on compute that you own. Every call is admitted, metered and settled. ";
const COMMON_TIMES: usize = 70;
const SCHEMA: &str = r#"{"type":"object","properties":{"name":{"type":"string","maxLength":40},"age":{"type":"integer","minimum":0,"maximum":120},"tags":{"type":"array","items":{"enum":["a","b","c"]},"maxItems":3}},"required":["name","age","tags"],"additionalProperties":false}"#;

#[derive(Args)]
pub(crate) struct Soak {
    #[command(flatten)]
    setting: Setting,
    /// How long.
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Memory for keys and values, in MiB: little, so that sequences are put off and computed again.
    #[arg(long, default_value_t = 192)]
    kv_mib: usize,
}

/// What the callers share.
struct Yard {
    engine: Engine,
    /// The same model once more, whose logits are looked at.
    scheduler: Scheduler,
    start: Instant,
    over: AtomicBool,
    /// Of each caller, when it last heard something, in milliseconds since the start.
    heard: Vec<AtomicU64>,
    counts: [AtomicU64; WHATS.len()],
    not_numbers: AtomicU64,
}

/// What becomes of requests.
#[derive(Clone, Copy)]
enum What {
    Answered,
    Held,
    GivenUp,
    Refused,
    Raw,
    Wrong,
}

const WHATS: [&str; 6] =
    ["answered", "held to a schema", "given up", "refused, overloaded", "logits checked", "wrong"];

impl Soak {
    pub(crate) fn run(&self) -> Outcome<()> {
        let fault = |fault: Fault| fault.to_string();
        let options =
            Options { kv_bytes_max: self.kv_mib << 20, queue_max: QUEUE_MAX, ..self.setting.served() };
        let yard = Yard {
            engine: Engine::load(&self.setting.model, &options).map_err(fault)?,
            scheduler: self.setting.scheduler(&options)?,
            start: Instant::now(),
            over: AtomicBool::new(false),
            heard: (0..CALLERS).map(|_| AtomicU64::new(0)).collect(),
            counts: Default::default(),
            not_numbers: AtomicU64::new(0),
        };
        let time = Duration::from_secs_f64(self.minutes * 60.0);
        let (mut memory, mut stuck) = (Vec::new(), BTreeMap::new());
        let (problem, problems) = channel();
        thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (yard, problem) = (&yard, problem.clone());
                scope.spawn(move || yard.call_on(caller, &problem));
            }
            while yard.start.elapsed() < time {
                thread::sleep(Duration::from_secs(2).min(time / 100));
                let now = yard.start.elapsed();
                memory.push((now.as_secs_f64() / time.as_secs_f64(), resident_mib()));
                for (caller, heard) in yard.heard.iter().enumerate() {
                    let silent = now.saturating_sub(Duration::from_millis(heard.load(Ordering::Relaxed)));
                    if silent > STUCK_AFTER {
                        stuck.insert(caller, silent);
                    }
                }
                if memory.len() % 30 == 0 {
                    eprintln!(
                        "{:.1} min, {:.0} MiB, {}",
                        now.as_secs_f64() / 60.0,
                        resident_mib(),
                        yard.said()
                    );
                }
            }
            yard.over.store(true, Ordering::Relaxed);
        });
        drop(problem);
        yard.print(&memory, &stuck);
        for problem in problems.into_iter().take(5) {
            println!("- {problem}");
        }
        Ok(())
    }
}

impl Yard {
    fn count(&self, what: What) {
        self.counts[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn hear(&self, caller: u64) {
        let now = self.start.elapsed().as_millis() as u64;
        self.heard[caller as usize].store(now, Ordering::Relaxed);
    }

    fn said(&self) -> String {
        let counts = WHATS
            .iter()
            .zip(&self.counts)
            .map(|(name, count)| format!("{} {name}", count.load(Ordering::Relaxed)));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// One caller's requests, one after the other, each of a kind and a length by chance.
    fn call_on(&self, caller: u64, problem: &Sender<String>) {
        let mut dice = caller.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        while !self.over.load(Ordering::Relaxed) {
            self.hear(caller);
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = dice >> 20;
            let outcome = match (number % 16, caller) {
                (0, 0) => self.crowd(caller, number),
                (0..4, _) => self.raw(caller, number),
                (4..7, _) => self.held(caller, number),
                (7..10, _) => self.given_up(caller, number),
                (10..13, _) => self.answered(caller, number, &COMMON.repeat(COMMON_TIMES)),
                _ => self.answered(caller, number, &"Tell me more. ".repeat((number / 16 % 200) as usize)),
            };
            match outcome {
                Ok(what) => self.count(what),
                Err(fault) if matches!(fault.kind(), Kind::Overloaded) => {
                    self.count(What::Refused);
                    thread::sleep(Duration::from_millis(number % 50));
                }
                Err(fault) => {
                    self.count(What::Wrong);
                    drop(problem.send(format!("{fault} {}", fault.detail().unwrap_or_default())));
                }
            }
        }
        self.hear(caller);
    }

    fn answered(&self, caller: u64, number: u64, before: &str) -> Result<What, Fault> {
        let asked = request(&format!("{before}What is {number}?"), 1 + number / 7 % 200, number);
        call(&self.engine, asked, |_| {
            self.hear(caller);
            true
        })?;
        Ok(What::Answered)
    }

    fn held(&self, caller: u64, number: u64) -> Result<What, Fault> {
        let asked = held_to(request(&format!("Invent person {number}."), 120, number), SCHEMA);
        let answer = call(&self.engine, asked, |_| {
            self.hear(caller);
            true
        })?;
        let text = answer.map(|answer| text(&answer)).unwrap_or_default();
        let whole = serde_json::from_str::<serde_json::Value>(&text);
        whole.map(|_| What::Held).map_err(|error| Fault::internal(format!("{error}: {text}")))
    }

    fn given_up(&self, caller: u64, number: u64) -> Result<What, Fault> {
        let mut left = number / 16 % 40;
        let asked = request(&format!("Count from {number} on."), 400, number);
        call(&self.engine, asked, |_| {
            self.hear(caller);
            left = left.saturating_sub(1);
            left > 0
        })?;
        Ok(What::GivenUp)
    }

    /// More requests at once than the queue takes; some are answered, the others refused in time.
    fn crowd(&self, caller: u64, number: u64) -> Result<What, Fault> {
        thread::scope(|scope| {
            for one in 0..CROWD {
                scope.spawn(move || match self.answered(caller, number + one, "") {
                    Ok(what) => self.count(what),
                    Err(fault) if matches!(fault.kind(), Kind::Overloaded) => self.count(What::Refused),
                    Err(_) => self.count(What::Wrong),
                });
            }
        });
        Ok(What::Answered)
    }

    /// A sequence of tokens by chance, whose logits are looked at one by one.
    fn raw(&self, caller: u64, number: u64) -> Result<What, Fault> {
        let vocabulary = self.scheduler.facts().vocabulary as u64;
        let len = 1 + number / 16 % 600;
        let prompt = (0..len).map(|at| ((number + at * 7919) % vocabulary) as u32).collect();
        let (done, ended) = channel();
        let raw =
            Raw { prompt, tokens_max: 1 + (number / 16 % 100) as usize, not_numbers: 0, fault: None, done };
        self.scheduler.submit(Box::new(raw))?;
        let (not_numbers, fault) = ended.recv().map_err(Fault::internal)?;
        self.hear(caller);
        self.not_numbers.fetch_add(not_numbers, Ordering::Relaxed);
        fault.map_or(Ok(What::Raw), Err)
    }

    fn print(&self, memory: &[(f64, f64)], stuck: &BTreeMap<usize, Duration>) {
        let most = |from: f64, to: f64| {
            let within = memory.iter().filter(|(at, _)| (from..to).contains(at));
            within.map(|(_, mib)| *mib).fold(0.0, f64::max)
        };
        let (early, late) = (most(WARM_UP, 2.0 * WARM_UP), most(1.0 - WARM_UP, 2.0));
        println!("{:.1} minutes: {}.", self.start.elapsed().as_secs_f64() / 60.0, self.said());
        println!(
            "Memory, the most in each quarter of the time: {:.0}, {:.0}, {:.0}, {:.0} MiB.",
            most(0.0, 0.25),
            most(0.25, 0.5),
            most(0.5, 0.75),
            most(0.75, 2.0)
        );
        let wrong = self.counts[What::Wrong as usize].load(Ordering::Relaxed);
        println!(
            "Done when: memory flat: {}. No stuck request: {}. No logit that is no number: {}. Nothing went wrong: {}.",
            verdict(late <= early * GROWTH_MAX),
            verdict(stuck.is_empty()),
            verdict(self.not_numbers.load(Ordering::Relaxed) == 0),
            verdict(wrong == 0)
        );
    }
}

struct Raw {
    prompt: Vec<u32>,
    tokens_max: usize,
    not_numbers: u64,
    fault: Option<Fault>,
    done: Sender<(u64, Option<Fault>)>,
}

impl Sequence for Raw {
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
        self.not_numbers += logits.iter().filter(|logit| !logit.is_finite()).count() as u64;
        let best = likeliest_token(logits).unwrap_or(0);
        Next::Token(best)
    }

    fn fail(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        drop(self.done.send((self.not_numbers, self.fault.take())));
    }
}

/// Resident memory of this process, in MiB; on Linux.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
