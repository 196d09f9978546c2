//! A pull, drawn on stderr: a bar where that is a terminal, else a line at each turn.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use server::models::{Progress, Step};

use crate::report;

const TICK: Duration = Duration::from_millis(120);
const TEMPLATE: &str =
    "{spinner} {decimal_bytes:>9} of {decimal_total_bytes}  {wide_bar}  {decimal_bytes_per_sec}, {eta} left ";

/// Draws what a pull reports.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar that is not drawn before there is something to draw.
    pub(crate) fn new() -> Self {
        // Hidden by itself where stderr is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━╸─"));
        Self { bar }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| report::note(&format!("{line}\n")));
    }
}

impl Progress for Bar {
    fn step(&self, step: Step<'_>) {
        match step {
            Step::Waiting => self.say("another process is fetching the model; waiting for it"),
            Step::Trying { source, bytes_total } => {
                self.say(&format!("fetching the model ({} MB) from {source}", bytes_total / 1_000_000));
                self.bar.set_length(bytes_total);
                self.bar.set_position(0);
                self.bar.enable_steady_tick(TICK);
            }
            Step::Received { bytes } => self.bar.set_position(bytes),
            Step::Resuming { reason } => self.say(&format!("{reason}; going on from there")),
            Step::Skipped { source, reason } => self.say(&format!("skipped {source}: {reason}")),
            Step::Verifying => {}
            Step::Done { path } => {
                self.bar.finish_and_clear();
                self.say(&format!("verified, and kept as {}", path.display()));
            }
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
