use std::io::IsTerminal as _;
use std::time::Duration;

use canon::Usage;
use server::Failure;

use crate::report;

/// Shows an answer: its words on stdout, everything else on stderr.
pub(super) struct Screen {
    /// Stdout is a terminal, which obeys control characters.
    terminal: bool,
    /// What is said about the answer is wanted: somebody reads stderr.
    watched: bool,
    dim: &'static str,
    plain: &'static str,
    /// The line that is being written has something on it.
    midline: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let (dim, plain) = if report::colourful() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let watched = std::io::stderr().is_terminal();
        Self { terminal: std::io::stdout().is_terminal(), watched, dim, plain, midline: false }
    }

    /// Words of the answer.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        if !text.is_empty() {
            self.midline = !text.ends_with('\n');
        }
        if self.terminal { report::data(&harmless(text)) } else { report::data(text) }
    }

    /// What the model thinks on the way.
    pub(super) fn aside(&self, text: &str) {
        if self.watched {
            report::note(&format!("{}{}{}", self.dim, harmless(text), self.plain));
        }
    }

    /// The answer has ended, well or not: what follows begins on a new line.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.midline) { report::data("\n") } else { Ok(()) }
    }

    /// What the answer used.
    pub(super) fn usage(&mut self, usage: Usage, took: Duration) -> Result<(), Failure> {
        if self.watched {
            self.end()?;
            report::note(&format!("{}{}{}\n", self.dim, usage_line(usage, took), self.plain));
        }
        Ok(())
    }
}

fn usage_line(usage: Usage, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    format!("{} tokens in, {} out, {seconds:.1} s", usage.prompt(), usage.generated())
}

/// Without the control characters by which a text could do to a terminal more than to be read.
fn harmless(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests;
