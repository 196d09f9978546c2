use std::time::{Duration, Instant};

use clap::Args;
use engine::measure::{Arrival, Seen, play, sorted_quantile, traffic};
use serde_json::{Value, json};

use crate::Outcome;
use crate::peer::{BEST, Peer, SAME, number};
use crate::setting::Setting;
use crate::table::{self, verdict};

/// The 99th percentile of the time between tokens may be so many times the median, as the goal says.
const GAP_RATIO_MAX: f64 = 3.0;

#[derive(Args)]
pub(crate) struct Load {
    #[command(flatten)]
    setting: Setting,
    /// Requests.
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// Share of the capacity at which they come.
    #[arg(long, default_value_t = 0.7)]
    share: f64,
    /// Prompt and answer together take at most so many tokens; the trace's longest take 14,000.
    #[arg(long, default_value_t = 4096)]
    context: usize,
    /// Chooses lengths and moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// llama.cpp too, on the same arrivals: with continuous batching in so many slots, and one request at a time.
    #[arg(long)]
    peers: bool,
    /// Slots of llama.cpp with continuous batching.
    #[arg(long, default_value_t = 16)]
    slots: usize,
    /// llama.cpp has the model in Q4_0, its best format, and not in the file's own.
    #[arg(long)]
    best: bool,
}

impl Load {
    pub(crate) fn run(&self) -> Outcome<()> {
        let fault = |fault: canon::Fault| fault.to_string();
        let scheduler = self.setting.scheduler(&self.setting.options())?;
        let context = scheduler.facts().context_tokens.min(self.context);
        let mut requests = traffic::requests(&traffic::CONVERSATION, self.requests, context, self.seed);
        let sum = |length: fn(&Arrival) -> usize| requests.iter().map(length).sum::<usize>() as f64;
        let (input, output) = (sum(|it| it.prompt), sum(|it| it.answer));
        eprintln!("all {} requests at once, for the capacity", self.requests);
        let start = Instant::now();
        play(&scheduler, &requests, self.seed, &|_| {}).map_err(fault)?;
        let seconds = start.elapsed().as_secs_f64();
        let rate = self.share * self.requests as f64 / seconds;
        traffic::spread(&mut requests, rate, self.seed);
        println!(
            "{} requests, lengths as in {} (at most {context} tokens together; in the mean {:.0} and {:.0}). At once they take \
             {seconds:.1} s: {:.0} tokens/s of prompts and {:.0} of answers. They come as a Poisson process at {:.0}% of that: {rate:.2} \
             a second.\n",
            self.requests,
            traffic::CONVERSATION.name,
            input / self.requests as f64,
            output / self.requests as f64,
            input / seconds,
            output / seconds,
            100.0 * self.share,
        );
        eprintln!("as they come");
        let seen = play(&scheduler, &requests, self.seed + (1 << 32), &|_| {}).map_err(fault)?;
        let failed = seen.iter().filter(|seen| seen.fault.is_some()).count();
        let in_s = |times: Vec<Duration>| times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>();
        let first = in_s(seen.iter().filter_map(Seen::first).collect());
        let gaps = in_s(seen.iter().flat_map(Seen::gaps).collect());
        let ours = Waits::of("Outcrop", first, gaps, failed);
        let ratio = ours.gap[1] / ours.gap[0];
        let mut rows = vec![ours];
        drop(scheduler);
        if self.peers {
            let mut peer = Peer::start("load.py", &self.setting)?;
            for (name, slots) in
                [("llama.cpp, continuous batching", self.slots), ("llama.cpp, one at a time", 1)]
            {
                eprintln!("{name}");
                let arrivals: Vec<_> =
                    requests.iter().map(|it| json!([it.at.as_secs_f64(), it.prompt, it.answer])).collect();
                let form = if self.best { BEST } else { SAME };
                let job = json!({"slots": slots, "arrivals": arrivals, "context": context, "file": form.key});
                let seen = peer.ask(&job)?;
                let list = |name: &str| {
                    let figures = seen.get(name).and_then(Value::as_array);
                    figures.into_iter().flatten().filter_map(Value::as_f64).collect::<Vec<_>>()
                };
                rows.push(Waits::of(&format!("{name}, {slots} slots"), list("first"), list("gaps"), 0));
                eprintln!("took {:.0} s", number(&seen, "/seconds"));
            }
        }
        let rows: Vec<_> = rows.iter().map(Waits::row).collect();
        table::print(&["", "first token p50", "p99", "between tokens p50", "p99", "p99.9", "failed"], &rows);
        println!(
            "\nDone when: p99 between tokens at most {GAP_RATIO_MAX} times the median: {} ({ratio:.2}).",
            verdict(ratio <= GAP_RATIO_MAX)
        );
        Ok(())
    }
}

/// What callers waited, in seconds.
struct Waits {
    name: String,
    first: [f64; 2],
    gap: [f64; 3],
    failed: usize,
}

impl Waits {
    fn of(name: &str, mut first: Vec<f64>, mut gaps: Vec<f64>, failed: usize) -> Self {
        Self {
            name: name.to_owned(),
            first: [0.5, 0.99].map(|share| sorted_quantile(&mut first, share)),
            gap: [0.5, 0.99, 0.999].map(|share| sorted_quantile(&mut gaps, share)),
            failed,
        }
    }

    fn row(&self) -> Vec<String> {
        let time = |seconds: &f64| {
            if *seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
        };
        let times = self.first.iter().chain(&self.gap).map(time);
        [self.name.clone()].into_iter().chain(times).chain([self.failed.to_string()]).collect()
    }
}
