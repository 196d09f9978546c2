use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use clap::Args;
use engine::Engine;
use serde_json::Value;

use crate::Outcome;
use crate::calls::{call, held_to, request, text};
use crate::setting::Setting;
use crate::table::{median, ratios, verdict};

/// Answers held to a schema are at least so fast beside others, as the goal says.
const RATIO_MIN: f64 = 0.9;
/// What is asked for: a word of the question, and the schema of the answer.
const SHAPES: [(&str, &str); 10] = [
    (
        "a person",
        r#"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":120},"married":{"type":"boolean"}},"required":["name","age","married"],"additionalProperties":false}"#,
    ),
    (
        "a city",
        r#"{"type":"object","properties":{"city":{"type":"string","maxLength":40},"country":{"type":"string","maxLength":40},"population":{"type":"integer"}},"required":["city","country","population"],"additionalProperties":false}"#,
    ),
    (
        "a mood",
        r#"{"type":"object","properties":{"mood":{"enum":["good","bad","neutral"]},"strength":{"type":"number","minimum":0,"maximum":1}},"required":["mood","strength"],"additionalProperties":false}"#,
    ),
    (
        "a shopping list",
        r#"{"type":"array","items":{"type":"object","properties":{"item":{"type":"string","maxLength":30},"count":{"type":"integer","minimum":1,"maximum":20}},"required":["item","count"],"additionalProperties":false},"minItems":1,"maxItems":5}"#,
    ),
    (
        "a meeting",
        r#"{"type":"object","properties":{"date":{"type":"string","format":"date"},"start":{"type":"string","format":"time"},"people":{"type":"array","items":{"type":"string","maxLength":20},"maxItems":4}},"required":["date","people"],"additionalProperties":false}"#,
    ),
    (
        "a choice of colour",
        r##"{"type":"object","properties":{"colour":{"type":"string","pattern":"^#[0-9a-f]{6}$"}},"required":["colour"],"additionalProperties":false}"##,
    ),
    (
        "an address",
        r#"{"type":"object","properties":{"street":{"type":"string","maxLength":40},"number":{"type":"integer"},"place":{"type":"object","properties":{"zip":{"type":"string","pattern":"^[0-9]{5}$"},"town":{"type":"string","maxLength":30}},"required":["zip","town"],"additionalProperties":false}},"required":["street","place"],"additionalProperties":false}"#,
    ),
    (
        "a yes or a reason",
        r#"{"anyOf":[{"type":"object","properties":{"yes":{"const":true}},"required":["yes"],"additionalProperties":false},{"type":"object","properties":{"reason":{"type":"string","maxLength":60}},"required":["reason"],"additionalProperties":false}]}"#,
    ),
    ("three numbers", r#"{"type":"array","items":{"type":"integer"},"minItems":3,"maxItems":3}"#),
    (
        "a film",
        r#"{"type":"object","properties":{"title":{"type":"string","maxLength":60},"year":{"type":"integer","minimum":1890,"maximum":2030},"genres":{"type":"array","items":{"enum":["drama","comedy","horror","western"]},"minItems":1,"maxItems":3},"seen":{"type":["boolean","null"]}},"required":["title","year","genres"]}"#,
    ),
];

#[derive(Args)]
pub(crate) struct Schemas {
    #[command(flatten)]
    setting: Setting,
    /// Answers.
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Answers at once.
    #[arg(long, default_value_t = 32)]
    streams: usize,
    /// Tokens of an answer at most.
    #[arg(long, default_value_t = 160)]
    tokens: u64,
    /// Answers of a turn, after which as many without a schema have theirs, each as long as its like.
    #[arg(long, default_value_t = 500)]
    turn: usize,
}

/// What a turn showed.
struct Turn {
    tokens_per_s: f64,
    /// Of each answer, its tokens.
    tokens: Vec<u64>,
    wrong: Vec<String>,
}

impl Schemas {
    pub(crate) fn run(&self) -> Outcome<()> {
        let engine =
            Engine::load(&self.setting.model, &self.setting.options()).map_err(|fault| fault.to_string())?;
        let validators: Vec<jsonschema::Validator> = SHAPES
            .iter()
            .map(|(_, schema)| {
                let schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
                jsonschema::options()
                    .should_validate_formats(true)
                    .build(&schema)
                    .map_err(|error| error.to_string())
            })
            .collect::<Outcome<_>>()?;
        let (mut held, mut free, mut wrong, mut done) = (Vec::new(), Vec::new(), Vec::new(), 0);
        while done < self.count {
            let count = self.turn.min(self.count - done);
            let turn = self.turn(
                &engine,
                (done, count),
                &|number, answer, _| {
                    let at = number % SHAPES.len();
                    match serde_json::from_str::<Value>(answer) {
                        Ok(value) => validators[at].validate(&value).map_err(|error| error.to_string()),
                        Err(error) => Err(error.to_string()),
                    }
                },
                None,
            );
            let like = self.turn(&engine, (done, count), &|_, _, _| Ok(()), Some(&turn.tokens));
            done += count;
            eprintln!(
                "{done} answers, {} wrong; {:.0} tokens/s, without schemas {:.0}",
                wrong.len() + turn.wrong.len(),
                turn.tokens_per_s,
                like.tokens_per_s
            );
            wrong.extend(turn.wrong);
            wrong.extend(like.wrong);
            held.push(turn.tokens_per_s);
            free.push(like.tokens_per_s);
        }
        let [ratio, least, most] = ratios(&held, &free);
        println!(
            "{done} answers held to {} schemas, {} at once: {} wrong. {:.0} tokens/s in the median of {} turns, as many answers of the \
             same lengths without schemas {:.0}: ratio {ratio:.3} ({least:.3}–{most:.3}).",
            SHAPES.len(),
            self.streams,
            wrong.len(),
            median(&held),
            held.len(),
            median(&free)
        );
        for problem in wrong.iter().take(5) {
            println!("- {problem}");
        }
        println!(
            "Done when: all valid: {}. At least 90% of the speed: {}.",
            verdict(wrong.is_empty()),
            verdict(ratio >= RATIO_MIN)
        );
        Ok(())
    }

    /// Makes the calls numbered from `first`, with schemas unless lengths are given.
    fn turn(
        &self,
        engine: &Engine,
        (first, count): (usize, usize),
        check: &(dyn Fn(usize, &str, u64) -> Outcome<()> + Sync),
        lengths: Option<&[u64]>,
    ) -> Turn {
        let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let tokens = Mutex::new(vec![0; count]);
        let start = Instant::now();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= count {
                    return;
                }
                let (number, seed) = (first + at, (first + at) as u64);
                let (what, schema) = SHAPES[number % SHAPES.len()];
                let question = format!("Number {number}. Describe {what}, please.");
                let asked = match lengths {
                    // Words go on where an answer would end, so that both turns write as many tokens.
                    Some(lengths) => {
                        request(&format!("{question} Write a long story."), lengths[at].max(1), seed)
                    }
                    None => held_to(request(&question, self.tokens, seed), schema),
                };
                let problem = match call(engine, asked, |_| true) {
                    Ok(Some(answer)) => {
                        let written = answer.finish.usage.output;
                        if let Ok(mut tokens) = tokens.lock() {
                            tokens[at] = written;
                        }
                        let text = text(&answer);
                        check(number, &text, written).err().map(|error| format!("{what}: {error}: {text}"))
                    }
                    Ok(None) => Some("given up".to_owned()),
                    Err(fault) => Some(format!("{what}: {fault}")),
                };
                if let (Some(problem), Ok(mut wrong)) = (problem, wrong.lock()) {
                    wrong.push(problem);
                }
            }
        };
        thread::scope(|scope| (0..self.streams).for_each(|_| drop(scope.spawn(work))));
        let seconds = start.elapsed().as_secs_f64();
        let tokens = tokens.into_inner().unwrap_or_default();
        Turn {
            tokens_per_s: tokens.iter().sum::<u64>() as f64 / seconds,
            tokens,
            wrong: wrong.into_inner().unwrap_or_default(),
        }
    }
}
