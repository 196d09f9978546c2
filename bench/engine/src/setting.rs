use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;
use engine::KvType;
use engine::gguf::Gguf;
use engine::limits::Gauge;
use engine::measure::Demand;
use engine::scheduler::{Options, Scheduler};

use crate::Outcome;

/// The model, and the threads.
#[derive(Args, Clone)]
pub(crate) struct Setting {
    /// The GGUF file; `cargo xtask bench` names the default model's.
    #[arg(long, env = "OUTCROP_TEST_MODEL")]
    pub(crate) model: PathBuf,
    /// Threads that compute, of every contender [default: one a CPU].
    #[arg(long)]
    threads: Option<usize>,
    /// How Outcrop keeps keys and values: f16 or int8.
    #[arg(long, default_value = "f16")]
    kv: KvType,
}

impl Setting {
    pub(crate) fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
    }

    pub(crate) fn gguf(&self) -> Outcome<Gguf> {
        Gguf::open(&self.model).map_err(|fault| fault.to_string())
    }

    /// Without guessing ahead, as most contenders: answers to words by chance repeat themselves more than others do, which would
    /// flatter.
    pub(crate) fn options(&self) -> Options {
        Options { speculate_tokens_max: 0, ..self.served() }
    }

    /// As users have it.
    pub(crate) fn served(&self) -> Options {
        Options { threads: self.threads(), kv: self.kv, ..Options::default() }
    }

    pub(crate) fn scheduler(&self, options: &Options) -> Outcome<Scheduler> {
        Scheduler::start(&self.gguf()?, options).map_err(|fault| fault.to_string())
    }

    pub(crate) fn demand(&self) -> Outcome<Demand> {
        Ok(Demand::of(&self.gguf()?))
    }

    /// A gauge over as much memory as the weights take.
    pub(crate) fn gauge(&self) -> Outcome<Gauge> {
        let bytes = usize::try_from(self.demand()?.weight_bytes).map_err(|error| error.to_string())?;
        Gauge::new(self.threads(), bytes).map_err(|fault| fault.to_string())
    }

    pub(crate) fn limits(&self) -> Outcome<()> {
        let (mut gauge, demand) = (self.gauge()?, self.demand()?);
        let first = gauge.measure();
        let limits = (0..4).fold(first, |limits, _| limits.or(gauge.measure()));
        println!(
            "{} threads, {}: {:.0} GMAC/s; {:.1} GB/s over {} MB",
            limits.threads,
            limits.instructions,
            limits.int8_macs_per_s / 1e9,
            limits.stream_bytes_per_s / 1e9,
            limits.stream_bytes / 1_000_000
        );
        println!(
            "a token of the model: {} million products in its layers, {} million for its logits, {} MB of weights; so at \
             most {:.0} tokens/s of prompts, and {:.0} of one answer",
            demand.layer_macs / 1_000_000,
            demand.output_macs / 1_000_000,
            demand.weight_bytes / 1_000_000,
            limits.int8_macs_per_s / demand.layer_macs as f64,
            limits.stream_bytes_per_s / demand.weight_bytes as f64
        );
        Ok(())
    }
}
