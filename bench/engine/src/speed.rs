use clap::Args;
use engine::gguf::Gguf;
use engine::measure::{Demand, decode, prefill};
use engine::scheduler::Scheduler;
use serde_json::{Value, json};

use crate::Outcome;
use crate::peer::{Peer, number};
use crate::setting::Setting;
use crate::table::{self, median, ratios, verdict};

/// How fast prompts are read and answers written, round after round
#[derive(Args)]
pub(crate) struct Speed {
    #[command(flatten)]
    setting: Option<Setting>,
    /// How often everyone has a turn; ratios are taken in each, and medians count.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// llama.cpp too, on the same file and re-quantised to Q4_0, its best format.
    #[arg(long)]
    peers: bool,
    /// Tokens of each answer.
    #[arg(long, default_value_t = 128)]
    answer: usize,
}

/// What is timed.
#[derive(Clone, Copy)]
struct Task {
    name: &'static str,
    streams: usize,
    /// How many times as fast as llama.cpp, on the same file and on its best format, as the goal says.
    goals: [f64; 2],
}

/// A prompt of so many tokens.
const PROMPT: usize = 512;
const TASKS: [Task; 4] = [
    Task { name: "prefill of 512", streams: 0, goals: [6.0, 2.0] },
    Task { name: "decode, 1 stream", streams: 1, goals: [2.5, 2.0] },
    Task { name: "decode, 16 streams", streams: 16, goals: [6.0, 3.0] },
    Task { name: "decode, 64 streams", streams: 64, goals: [6.0, 3.0] },
];
/// The shares of the machine that prefill and a single stream reach, as the goal says.
const SHARE_GOALS: [f64; 2] = [0.45, 0.6];
const PEERS: [&str; 2] = ["same", "best"];

/// Tokens a second of every round, by task: Outcrop's, and each peer's.
#[derive(Default)]
struct Turns {
    ours: [Vec<f64>; TASKS.len()],
    theirs: [[Vec<f64>; TASKS.len()]; PEERS.len()],
}

impl Speed {
    pub(crate) fn run(&self) -> Outcome<()> {
        let setting = self.setting.as_ref().ok_or("name a GGUF file: --model PATH")?;
        let gguf: Gguf = setting.gguf()?;
        let demand = Demand::of(&gguf);
        let scheduler = Scheduler::start(&gguf, &setting.plain()).map_err(|fault| fault.to_string())?;
        drop(gguf);
        let mut gauge = setting.gauge()?;
        let mut peer = if self.peers { Some(Peer::start("speed.py", setting)?) } else { None };
        if let Some(peer) = &mut peer {
            eprintln!("llama.cpp finds its best options");
            let tuned = peer.ask(&json!({"do": "tune", "answer": self.answer}))?;
            println!("llama.cpp's options, the best of those tried:\n{}\n", pretty(&tuned));
        }
        let mut turns = Turns::default();
        let fault = |fault: canon::Fault| fault.to_string();
        // The first touch of everything is slower than all that follow.
        prefill(&scheduler, PROMPT, 0).map_err(fault)?;
        for round in 0..self.rounds {
            gauge.measure();
            for (at, task) in TASKS.iter().enumerate() {
                eprintln!("round {} of {}: {}", round + 1, self.rounds, task.name);
                let seed = 1 + round as u64;
                let ours = match task.streams {
                    0 => prefill(&scheduler, PROMPT, seed),
                    streams => decode(&scheduler, streams, self.answer, seed),
                };
                turns.ours[at].push(ours.map_err(fault)?);
                for (which, file) in PEERS.iter().enumerate() {
                    let Some(peer) = &mut peer else { break };
                    let job = json!({"do": "turn", "file": file, "streams": task.streams, "prompt": PROMPT, "answer": self.answer});
                    turns.theirs[which][at].push(number(&peer.ask(&job)?, "/tokens_per_s"));
                }
            }
        }
        turns.print(self.peers);
        let limits = gauge.measure();
        let shares = [
            median(&turns.ours[0]) * demand.layer_macs as f64 / limits.int8_macs_per_s,
            median(&turns.ours[1]) * demand.weight_bytes as f64 / limits.stream_bytes_per_s,
        ];
        println!(
            "\nThe machine, best of the same run: {:.0} GMAC/s ({}), {:.1} GB/s, on {} threads. Prefill reaches {:.0}% of the \
             products (goal 45%: {}), one stream {:.0}% of the memory's speed (goal 60%: {}).",
            limits.int8_macs_per_s / 1e9,
            limits.instructions,
            limits.stream_bytes_per_s / 1e9,
            limits.threads,
            100.0 * shares[0],
            verdict(shares[0] >= SHARE_GOALS[0]),
            100.0 * shares[1],
            verdict(shares[1] >= SHARE_GOALS[1]),
        );
        Ok(())
    }
}

impl Turns {
    fn print(&self, with_peers: bool) {
        let mut titles = vec!["tokens/s, medians", "Outcrop"];
        if with_peers {
            titles.extend(["llama.cpp, same file", "ratio (spread)", "goal", "met"]);
            titles.extend(["llama.cpp, Q4_0", "ratio (spread)", "goal", "met"]);
        }
        let row = |at: usize| {
            let mut row = vec![TASKS[at].name.to_owned(), format!("{:.0}", median(&self.ours[at]))];
            for which in 0..if with_peers { PEERS.len() } else { 0 } {
                let theirs = &self.theirs[which][at];
                let [middle, least, most] = ratios(&self.ours[at], theirs);
                let goal = TASKS[at].goals[which];
                row.push(format!("{:.0}", median(theirs)));
                row.push(format!("{middle:.2} ({least:.2}–{most:.2})"));
                row.extend([format!("≥ {goal}"), verdict(middle >= goal)]);
            }
            row
        };
        table::print(&titles, &(0..TASKS.len()).map(row).collect::<Vec<_>>());
    }
}

fn pretty(tuned: &Value) -> String {
    let lines = tuned.as_object().into_iter().flatten().map(|(name, options)| format!("- {name}: {options}"));
    lines.collect::<Vec<_>>().join("\n")
}
