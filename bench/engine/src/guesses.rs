//! One answer at a time, as a user has it: guesses included, through the engine's own door.

use std::time::{Duration, Instant};

use canon::{Content, Event};
use clap::Args;
use engine::Engine;
use serde_json::json;

use crate::calls::{call, request};
use crate::peer::{BEST, Form, Peer, SAME, number};
use crate::setting::Setting;
use crate::table::{self, median, ratios, verdict, with_spread};
use crate::{Outcome, corpus};

/// What the model is told before each question, so that no template says anything else.
const SYSTEM: &str = "You are a helpful assistant.";
const QUESTIONS: [&str; 16] = [
    "What is the capital of France, and why is it famous?",
    "Explain how photosynthesis works to a ten-year-old.",
    "Write a short poem about the sea in winter.",
    "How do I make pancakes without eggs?",
    "What is the difference between TCP and UDP?",
    "What were the causes of the First World War?",
    "Write a polite letter that declines an invitation to a wedding.",
    "How does a refrigerator work?",
    "Write a story about a dragon who is afraid of fire.",
    "Explain inflation in simple words.",
    "Who was Marie Curie?",
    "What should I take along for a week of hiking in the Alps?",
    "Write a Python function that returns the prime numbers below n.",
    "Write a SQL query that finds the ten customers with the most orders, and explain it.",
    "Write JSON with three invented employees, each with name, age and role.",
    "Write a bash script that copies a folder to another every night.",
];
/// What is asked about texts of this machine, and for how many of them.
const TEXTS: usize = 4;
const SUMMARY: &str = "Sum up this text in a few sentences:";
const COPY: &str = "Write this text again and mend its spelling:";
/// So much of each text.
const TEXT_CHARS: usize = 1000;
/// How many times as fast as llama.cpp one answer is to be, by its form, as the goal says.
const FORMS: [(Form, f64); 2] = [(SAME, 2.5), (BEST, 2.0)];

#[derive(Args)]
pub(crate) struct Guesses {
    #[command(flatten)]
    setting: Setting,
    /// How often everyone has a turn; medians count.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Tokens of each answer at most.
    #[arg(long, default_value_t = 128)]
    answer: u64,
    /// llama.cpp too, on the same file and in its best format; it guesses by prompt lookup where it is faster so.
    #[arg(long)]
    peers: bool,
}

/// Questions of one kind.
struct Kind {
    name: &'static str,
    questions: Vec<String>,
}

/// What contenders showed in each round, for one kind of question: tokens a second.
#[derive(Default)]
struct Turns {
    plain: Vec<f64>,
    guessing: Vec<f64>,
    tokens_per_step: Vec<f64>,
    theirs: [Vec<f64>; FORMS.len()],
}

impl Guesses {
    pub(crate) fn run(&self) -> Outcome<()> {
        let load = |options| Engine::load(&self.setting.model, &options).map_err(|fault| fault.to_string());
        let (plain, guessing) = (load(self.setting.options())?, load(self.setting.served())?);
        let kinds = kinds();
        let mut peer = if self.peers { Some(Peer::start("guesses.py", &self.setting)?) } else { None };
        if let Some(peer) = &mut peer {
            println!(
                "llama.cpp's options, the best of those tried; `guesses` is how many tokens it looks up at most:"
            );
            for (form, _) in &FORMS {
                eprintln!("llama.cpp finds its best options");
                let best = peer.ask(&self.job("tune", form, &kinds[0]))?;
                println!("- {}: {best}", form.title);
            }
            println!();
        }
        // The first touch of everything is slower than all that follow.
        for engine in [&plain, &guessing] {
            self.ours(engine, &kinds[0])?;
        }
        let mut turns: Vec<Turns> = kinds.iter().map(|_| Turns::default()).collect();
        for round in 0..self.rounds {
            for (kind, turns) in kinds.iter().zip(&mut turns) {
                eprintln!("round {} of {}: {}", round + 1, self.rounds, kind.name);
                turns.plain.push(self.ours(&plain, kind)?.0);
                let (tokens_per_s, tokens_per_step) = self.ours(&guessing, kind)?;
                turns.guessing.push(tokens_per_s);
                turns.tokens_per_step.push(tokens_per_step);
                for ((form, _), theirs) in FORMS.iter().zip(&mut turns.theirs) {
                    let Some(peer) = &mut peer else { break };
                    theirs.push(number(&peer.ask(&self.job("turn", form, kind))?, "/tokens_per_s"));
                }
            }
        }
        print(&kinds, &turns, self.peers);
        Ok(())
    }

    fn job(&self, what: &str, form: &Form, kind: &Kind) -> serde_json::Value {
        let questions = &kind.questions;
        json!({"do": what, "file": form.key, "system": SYSTEM, "questions": questions, "tokens": self.answer})
    }

    /// Has all questions answered, one by one, by the likeliest tokens. Gives the tokens a second from the first of each answer
    /// on, and those of a step.
    fn ours(&self, engine: &Engine, kind: &Kind) -> Outcome<(f64, f64)> {
        let (mut tokens, mut took, right) = (0, Duration::ZERO, engine.work().right_tokens);
        for question in &kind.questions {
            let mut request = request(question, self.answer, 0);
            request.system = vec![Content::Text(SYSTEM.to_owned())];
            request.sampling.temperature = Some(0.0);
            let mut begun = None;
            let answer = call(engine, request, |event| {
                if matches!(event, Event::Text { .. }) {
                    begun.get_or_insert_with(Instant::now);
                }
                true
            });
            let answer = answer.map_err(|fault| fault.to_string())?.ok_or("an answer was given up")?;
            took += begun.map_or(Duration::ZERO, |begun| begun.elapsed());
            tokens += answer.finish.usage.output.saturating_sub(1);
        }
        // Each token that was not guessed took a step.
        let steps = tokens.saturating_sub(engine.work().right_tokens - right);
        Ok((tokens as f64 / took.as_secs_f64(), tokens as f64 / steps as f64))
    }
}

fn kinds() -> Vec<Kind> {
    let texts: Vec<String> = corpus::texts(&corpus::kinds())
        .take(TEXTS)
        .map(|text| text.chars().take(TEXT_CHARS).collect())
        .collect();
    let about = |what| texts.iter().map(|text| format!("{what}\n\n{text}")).collect();
    vec![
        Kind { name: "questions", questions: QUESTIONS.map(str::to_owned).to_vec() },
        Kind { name: "texts to sum up", questions: about(SUMMARY) },
        Kind { name: "texts to write again", questions: about(COPY) },
    ]
}

fn print(kinds: &[Kind], turns: &[Turns], with_peers: bool) {
    let mut titles = vec!["tokens/s, medians", "without guesses", "with", "ratio (spread)", "tokens a step"];
    for (form, _) in FORMS.iter().filter(|_| with_peers) {
        titles.extend([form.title, "ratio (spread)"]);
    }
    let row = |(kind, turns): (&Kind, &Turns)| {
        let mut row = vec![
            kind.name.to_owned(),
            format!("{:.0}", median(&turns.plain)),
            format!("{:.0}", median(&turns.guessing)),
            with_spread(&turns.guessing, &turns.plain),
            format!("{:.2}", median(&turns.tokens_per_step)),
        ];
        for theirs in turns.theirs.iter().filter(|theirs| !theirs.is_empty()) {
            row.extend([format!("{:.0}", median(theirs)), with_spread(&turns.guessing, theirs)]);
        }
        row
    };
    table::print(&titles, &kinds.iter().zip(turns).map(row).collect::<Vec<_>>());
    // Texts repeat themselves more than questions do, so these are judged alone.
    for ((form, goal), theirs) in FORMS.iter().zip(&turns[0].theirs).filter(|(_, theirs)| !theirs.is_empty())
    {
        let [middle, ..] = ratios(&turns[0].guessing, theirs);
        println!("\nOne answer to questions, ≥ {goal} times {}: {}.", form.title, verdict(middle >= *goal));
    }
}
