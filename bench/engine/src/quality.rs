use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};

use canon::Fault;
use clap::Args;
use engine::scheduler::{Next, Scheduler, Sequence};
use engine::tokenizer::{Tokenizer, TokenizerParts};
use serde_json::{Value, json};

use crate::peer::{FORMS, Peer, number};
use crate::setting::Setting;
use crate::{Outcome, corpus, table};

/// Pieces that Outcrop computes at once; each leaves a file of a hundred megabytes until it was compared.
const AT_ONCE: usize = 16;
/// Outcrop's perplexity may be off another's by so much of it, as the goal says.
const PERPLEXITY_OFF_MAX: f64 = 0.001;

#[derive(Args)]
pub(crate) struct Quality {
    #[command(flatten)]
    setting: Setting,
    /// Tokens of text in all.
    #[arg(long, default_value_t = 50_000)]
    tokens: usize,
    /// Tokens of a piece, each computed by itself.
    #[arg(long, default_value_t = 512)]
    piece: usize,
}

/// Writes its logits to a file and goes on as the text does.
struct Forced {
    text: Vec<u32>,
    at: usize,
    out: BufWriter<File>,
    done: Sender<Result<usize, String>>,
    number: usize,
}

impl Sequence for Forced {
    fn prompt(&self) -> &[u32] {
        &self.text[..1]
    }

    fn tokens_max(&self) -> usize {
        self.text.len() - 1
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn next(&mut self, logits: &mut [f32]) -> Next {
        self.at += 1;
        let written = logits.iter().try_for_each(|logit| self.out.write_all(&logit.to_le_bytes()));
        if let Err(error) = written {
            drop(self.done.send(Err(error.to_string())));
            return Next::End;
        }
        if self.at + 1 == self.text.len() {
            let flushed = self.out.flush().map(|()| self.number).map_err(|error| error.to_string());
            drop(self.done.send(flushed));
        }
        Next::Token(self.text[self.at])
    }

    fn fail(&mut self, fault: Fault) {
        drop(self.done.send(Err(fault.to_string())));
    }
}

/// Sums over positions.
#[derive(Default)]
struct Sums {
    rows: f64,
    reference_nll: f64,
    /// By contender.
    nll: [f64; COUNT],
    same_best: [f64; COUNT],
    kl: [Vec<f64>; COUNT],
}

/// How many contenders there are: Outcrop, and llama.cpp with each form of the model. The goal is about the first two.
const COUNT: usize = 1 + FORMS.len();

/// The contenders, as the script names them and as people do.
fn contenders() -> impl Iterator<Item = (&'static str, &'static str)> {
    [("outcrop", "Outcrop")].into_iter().chain(FORMS.iter().map(|form| (form.key, form.title)))
}

impl Sums {
    fn add(&mut self, seen: &Value) {
        self.rows += number(seen, "/rows");
        self.reference_nll += number(seen, "/reference/nll");
        for (at, (name, _)) in contenders().enumerate() {
            self.nll[at] += number(seen, &format!("/{name}/nll"));
            self.same_best[at] += number(seen, &format!("/{name}/same_best"));
            let kl = seen.pointer(&format!("/{name}/kl")).and_then(Value::as_array);
            self.kl[at].extend(kl.into_iter().flatten().filter_map(Value::as_f64));
        }
    }

    fn mean_kl(&self, at: usize) -> f64 {
        self.kl[at].iter().sum::<f64>() / self.rows
    }

    fn perplexity(&self, at: usize) -> f64 {
        (self.nll[at] / self.rows).exp()
    }

    fn print(&self) {
        let reference = (self.reference_nll / self.rows).exp();
        let row = |(at, (_, title)): (usize, (&str, &str))| {
            let mut kl = self.kl[at].clone();
            kl.sort_by(f64::total_cmp);
            let quantile =
                |share: f64| kl.get((kl.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
            vec![
                title.to_owned(),
                format!("{:.3e}", self.mean_kl(at)),
                format!("{:.3e}", quantile(0.5)),
                format!("{:.3e}", quantile(0.99)),
                format!("{:.2}%", 100.0 * self.same_best[at] / self.rows),
                format!("{:.4}", self.perplexity(at)),
                format!("{:+.4}%", 100.0 * (self.perplexity(at) / reference - 1.0)),
            ]
        };
        let exact =
            ["float32", "0", "0", "0", "100%", &format!("{reference:.4}"), "0"].map(str::to_owned).to_vec();
        table::print(
            &[
                "logits of",
                "mean KL",
                "median KL",
                "99% of KL",
                "same best token",
                "perplexity",
                "off float32's",
            ],
            &[exact].into_iter().chain(contenders().enumerate().map(row)).collect::<Vec<_>>(),
        );
        let off = |of: f64| (self.perplexity(0) / of - 1.0).abs();
        println!(
            "\nDone when: KL no greater than llama.cpp's: {} ({:.3} of it). Perplexity within 0.1% of llama.cpp's: {}, of \
             float32's: {}.",
            table::verdict(self.mean_kl(0) <= self.mean_kl(1)),
            self.mean_kl(0) / self.mean_kl(1),
            table::verdict(off(self.perplexity(1)) <= PERPLEXITY_OFF_MAX),
            table::verdict(off(reference) <= PERPLEXITY_OFF_MAX)
        );
    }
}

impl Quality {
    pub(crate) fn run(&self) -> Outcome<()> {
        let kinds = corpus::kinds();
        let pieces = self.pieces(&kinds)?;
        let scheduler = self.setting.scheduler(&self.setting.options())?;
        let mut peer = Peer::start("quality.py", &self.setting)?;
        let folder = std::env::temp_dir().join(format!("outcrop-quality-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut sums = Sums::default();
        for group in pieces.chunks(AT_ONCE) {
            for (path, tokens) in forced(&scheduler, group, &folder)? {
                let seen = peer.ask(&json!({"tokens": tokens, "logits": path}))?;
                sums.add(&seen);
                fs::remove_file(path).map_err(|error| error.to_string())?;
                eprintln!(
                    "{} of {} positions: KL {:.3e}, llama.cpp {:.3e}",
                    sums.rows,
                    pieces.len() * (self.piece - 1),
                    sums.mean_kl(0),
                    sums.mean_kl(1)
                );
            }
        }
        drop(fs::remove_dir_all(&folder));
        println!("{} positions in pieces of {} tokens, from:", sums.rows, self.piece);
        for kind in &kinds {
            println!("- {}: {} files", kind.name, kind.files.len());
        }
        println!();
        sums.print();
        Ok(())
    }

    fn pieces(&self, kinds: &[corpus::Kind]) -> Outcome<Vec<Vec<u32>>> {
        let gguf = self.setting.gguf()?;
        let parts = TokenizerParts::read(&gguf.metadata()).map_err(|fault| fault.to_string())?;
        let tokenizer = Tokenizer::new(&parts).map_err(|fault| fault.to_string())?;
        let wanted = self.tokens.div_ceil(self.piece);
        let mut pieces = Vec::new();
        for text in corpus::texts(kinds) {
            let tokens = tokenizer.encode(&text);
            // Two pieces of a file at most, so that many are heard.
            pieces.extend(tokens.chunks_exact(self.piece).take(2).map(<[u32]>::to_vec));
            if pieces.len() >= wanted {
                pieces.truncate(wanted);
                return Ok(pieces);
            }
        }
        Ok(pieces)
    }
}

/// Lets Outcrop compute the pieces together; gives the files of their logits.
fn forced(scheduler: &Scheduler, pieces: &[Vec<u32>], folder: &Path) -> Outcome<Vec<(PathBuf, Vec<u32>)>> {
    let (done, ended) = channel();
    let mut files = Vec::new();
    for (number, text) in pieces.iter().enumerate() {
        let path = folder.join(format!("{number}.f32"));
        let file = File::create(&path).map_err(|error| error.to_string())?;
        let out = BufWriter::with_capacity(1 << 20, file);
        let sequence = Forced { text: text.clone(), at: 0, out, done: done.clone(), number };
        scheduler.submit(Box::new(sequence)).map_err(|fault| fault.to_string())?;
        files.push((path, text.clone()));
    }
    drop(done);
    for outcome in ended {
        outcome?;
    }
    Ok(files)
}
