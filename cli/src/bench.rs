//! `outcrop bench`.

use std::path::Path;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use server::Failure;
use server::bench::{self, Benched, CAPACITY_FILE, Options, Progress, Stage};

use crate::args::Bench;
use crate::bar::Bar;
use crate::report;
use crate::table::{Column, render};

/// Measures, and prints what was seen.
pub(crate) async fn run(dir: &Path, bench: Bench) -> Result<(), Failure> {
    let options = Options {
        model: bench.model,
        model_dir: bench.cache.model_dir,
        threads: bench.threads.map(usize::from),
        quick: bench.quick,
    };
    let pulling = Bar::new();
    let measuring = Box::new(Steps::new());
    let benched = tokio::select! {
        benched = bench::bench(dir, &options, &pulling, measuring) => benched?,
        _ = tokio::signal::ctrl_c() => {
            // The thread that measures cannot be stopped, so the program is.
            report::failure(&Failure::interrupted());
            std::process::exit(i32::from(Failure::INTERRUPTED));
        }
    };
    report::note(&format!("kept as the model's capacity in {}\n", dir.join(CAPACITY_FILE).display()));
    report::data(&if bench.json { format!("{:#}\n", benched.json()) } else { table(&benched) })
}

/// A bar for each stage in turn, hidden by itself where stderr is no terminal.
struct Steps(Mutex<(Option<Stage>, ProgressBar)>);

impl Steps {
    fn new() -> Self {
        Self(Mutex::new((None, ProgressBar::hidden())))
    }
}

impl Progress for Steps {
    fn at(&self, stage: Stage, done: usize, all: usize) {
        let Ok(mut current) = self.0.lock() else { return };
        if current.0 != Some(stage) {
            current.1.finish_and_clear();
            *current = (Some(stage), bar(stage, all));
        }
        current.1.set_position(done as u64);
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Ok(current) = self.0.lock() {
            current.1.finish_and_clear();
        }
    }
}

fn bar(stage: Stage, all: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {msg:32} {pos} of {len}  {wide_bar} ");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
    bar.set_message(match stage {
        Stage::Limits => "the machine's limits".to_owned(),
        Stage::Prefill => "reading a prompt".to_owned(),
        Stage::Decode(streams) => format!("writing {streams} at once"),
        Stage::Capacity => "all requests at once".to_owned(),
        Stage::Load => "requests as they come".to_owned(),
    });
    bar
}

/// Figures for people, each beside what it is of the machine's limits.
fn table(benched: &Benched) -> String {
    let (measured, load) = (&benched.measured, &benched.measured.load);
    let percent = |share: f64| format!("{:.0}%", 100.0 * share);
    let row = |cells: [String; 4]| cells;
    let none = String::new;
    let mut rows = vec![row([
        "prefill of 512".to_owned(),
        format!("{:.0} tokens/s", measured.prefill_tokens_per_s),
        percent(measured.prefill_share()),
        none(),
    ])];
    for line in &measured.decode_tokens_per_s {
        let [products, memory] = measured.decode_shares(*line);
        let name = format!("decode, {} at once", line.0);
        rows.push(row([name, format!("{:.0} tokens/s", line.1), percent(products), percent(memory)]));
    }
    let mut plain = |name: &str, figure: String| rows.push(row([name.to_owned(), figure, none(), none()]));
    let waits = |[middle, tail]: [f64; 2]| format!("{:.1} ms, {:.1} ms", middle * 1e3, tail * 1e3);
    plain("first token, p50, p99", waits(load.first_s));
    plain("between tokens, p50, p99", waits(load.gap_s));
    plain("capacity, prompts", format!("{:.0} tokens/min", load.capacity_input_per_min));
    plain("capacity, answers", format!("{:.0} tokens/min", load.capacity_output_per_min));
    plain(
        "energy",
        measured.joules_per_token.map_or_else(
            || "the machine does not say".to_owned(),
            |joules| format!("{:.1} tokens/J", 1.0 / joules),
        ),
    );
    let columns = [
        Column::Left("MEASURED"),
        Column::Right("FIGURE"),
        Column::Right("OF PRODUCTS"),
        Column::Right("OF MEMORY"),
    ];
    let limits = &measured.limits;
    let [threads, failed] = [limits.threads, load.failed].map(|count| count.to_string());
    format!(
        "{}, {threads} threads\n\n{}\nThe machine: {:.0} billion products a second of 8-bit integers ({}), {:.1} GB/s from \
         memory.\nThe waits are those under {:.2} requests a second, 70% of the capacity, lengths as in {}; {failed} failed.\n",
        benched.model,
        render(&columns, &rows),
        limits.int8_macs_per_s / 1e9,
        limits.instructions,
        limits.stream_bytes_per_s / 1e9,
        load.requests_per_s,
        load.shape,
    )
}
