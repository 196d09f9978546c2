use clap::Args;
use engine::gguf::Gguf;
use engine::limits::Limits;
use engine::measure::{Demand, decode, prefill};
use engine::scheduler::Scheduler;

use crate::Outcome;
use crate::peer::{FORMS, Pace, Peer, Turn};
use crate::setting::Setting;
use crate::table::{self, median, ratios, verdict, with_spread};

/// How fast prompts are read and answers written, round after round
#[derive(Args)]
pub(crate) struct Speed {
    #[command(flatten)]
    setting: Option<Setting>,
    /// How often everyone has a turn; ratios are taken in each, and medians count.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// llama.cpp too: on the same file, re-quantised to Q4_0, its best format, and with every matrix in Q4_0.
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
}

/// A prompt of so many tokens.
const PROMPT: usize = 512;
const TASKS: [Task; 4] = [
    Task { name: "prefill of 512", streams: 0 },
    Task { name: "decode, 1 stream", streams: 1 },
    Task { name: "decode, 16 streams", streams: 16 },
    Task { name: "decode, 64 streams", streams: 64 },
];
/// The shares of the machine that prefill and a single stream reach, as the goal says.
const SHARE_GOALS: [f64; 2] = [0.45, 0.6];
/// How many times as fast as llama.cpp Outcrop is to be, by form and task, where the goal says.
const GOALS: [Option<[f64; TASKS.len()]>; FORMS.len()] =
    [Some([6.0, 2.5, 6.0, 6.0]), Some([2.0, 2.0, 3.0, 3.0]), None];

/// Of every round, by task: tokens a second, Outcrop's and llama.cpp's by form, and what the machine gave around Outcrop's turn.
#[derive(Default)]
struct Turns {
    ours: [Vec<f64>; TASKS.len()],
    theirs: [[Vec<Pace>; TASKS.len()]; FORMS.len()],
    limits: [Vec<Limits>; TASKS.len()],
}

impl Task {
    const fn turn(&self, answer: usize) -> Turn {
        Turn { streams: self.streams, tokens: if self.streams == 0 { PROMPT } else { answer } }
    }
}

impl Speed {
    pub(crate) fn run(&self) -> Outcome<()> {
        let setting = self.setting.as_ref().ok_or("name a GGUF file: --model PATH")?;
        let gguf: Gguf = setting.gguf()?;
        let demand = Demand::of(&gguf);
        let scheduler = Scheduler::start(&gguf, &setting.options()).map_err(|fault| fault.to_string())?;
        drop(gguf);
        let mut gauge = setting.gauge()?;
        let mut peer = if self.peers { Some(Peer::start("speed.py", setting)?) } else { None };
        if let Some(peer) = &mut peer {
            println!("llama.cpp's options, the best of those tried:");
            for (form, task) in FORMS.iter().flat_map(|form| TASKS.iter().map(move |task| (form, task))) {
                println!("- {}, {}: {}", form.title, task.name, peer.tune(form, task.turn(self.answer))?);
            }
            println!();
        }
        let mut turns = Turns::default();
        let fault = |fault: canon::Fault| fault.to_string();
        // The first touch of everything is slower than all that follow.
        prefill(&scheduler, PROMPT, 0).map_err(fault)?;
        for round in 0..self.rounds {
            for (at, task) in TASKS.iter().enumerate() {
                eprintln!("round {} of {}: {}", round + 1, self.rounds, task.name);
                let seed = 1 + round as u64;
                let before = gauge.measure();
                let ours = match task.streams {
                    0 => prefill(&scheduler, PROMPT, seed),
                    streams => decode(&scheduler, streams, self.answer, seed),
                };
                turns.ours[at].push(ours.map_err(fault)?);
                turns.limits[at].push(before.or(gauge.measure()));
                for (form, theirs) in FORMS.iter().zip(&mut turns.theirs) {
                    let Some(peer) = &mut peer else { break };
                    theirs[at].push(peer.speed(form, task.turn(self.answer))?);
                }
            }
        }
        if self.peers {
            turns.print_beside()
        } else {
            turns.print()
        }
        turns.print_shares(&demand);
        Ok(())
    }
}

impl Turns {
    /// How near the machine's limits came, as they were right before and after each turn.
    fn print_shares(&self, demand: &Demand) {
        // Tokens a second that the products, and the memory, would allow.
        let limit = |at: usize, limits: &Limits| match at {
            0 => limits.int8_macs_per_s / demand.layer_macs as f64,
            _ => limits.stream_bytes_per_s / demand.weight_bytes as f64,
        };
        let all = self.limits.iter().flatten().copied();
        let Some(best) = all.reduce(Limits::or) else { return };
        println!(
            "\nThe machine, at best: {:.0} GMAC/s ({}), {:.1} GB/s, on {} threads. Of what it gave around each turn (of the best):",
            best.int8_macs_per_s / 1e9,
            best.instructions,
            best.stream_bytes_per_s / 1e9,
            best.threads,
        );
        let names = ["prefill, of the products", "one stream, of the memory's speed"];
        for (at, (name, goal)) in names.into_iter().zip(SHARE_GOALS).enumerate() {
            let limits: Vec<f64> = self.limits[at].iter().map(|limits| limit(at, limits)).collect();
            let [middle, least, most] = ratios(&self.ours[at], &limits).map(|share| 100.0 * share);
            println!(
                "- {name}: {middle:.0}% ({least:.0}–{most:.0}; of the best {:.0}%), goal {:.0}%: {}",
                100.0 * median(&self.ours[at]) / limit(at, &best),
                100.0 * goal,
                verdict(middle >= 100.0 * goal),
            );
        }
    }

    fn print(&self) {
        let row = |at: usize| vec![TASKS[at].name.to_owned(), format!("{:.0}", median(&self.ours[at]))];
        let rows: Vec<Vec<String>> = (0..TASKS.len()).map(row).collect();
        table::print(&["tokens/s, medians", "Outcrop"], &rows);
    }

    fn print_beside(&self) {
        for ((form, goals), theirs) in FORMS.iter().zip(GOALS).zip(&self.theirs) {
            let row = |at: usize| {
                let ours = &self.ours[at];
                let [computed, chosen] = [|pace: &Pace| pace.computed, |pace: &Pace| pace.chosen]
                    .map(|figure| theirs[at].iter().map(figure).collect::<Vec<f64>>());
                let [middle, ..] = ratios(ours, &computed);
                let [both_choosing, ..] = ratios(ours, &chosen);
                let goal = goals.map(|goals| goals[at]);
                vec![
                    TASKS[at].name.to_owned(),
                    format!("{:.0}", median(ours)),
                    format!("{:.0}", median(&computed)),
                    with_spread(ours, &computed),
                    goal.map_or_else(String::new, |goal| format!("≥ {goal}")),
                    goal.map_or_else(String::new, |goal| verdict(middle >= goal)),
                    format!("{both_choosing:.2}"),
                ]
            };
            let rows: Vec<Vec<String>> = (0..TASKS.len()).map(row).collect();
            table::print(
                &[
                    "tokens/s, medians",
                    "Outcrop",
                    form.title,
                    "ratio (spread)",
                    "goal",
                    "met",
                    "ratio where both choose tokens",
                ],
                &rows,
            );
            println!();
        }
    }
}
