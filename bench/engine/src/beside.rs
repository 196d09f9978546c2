use std::process::{Child, Command, Stdio};
use std::time::Instant;

use clap::Args;
use engine::measure::decode;
use engine::scheduler::Scheduler;

use crate::Outcome;
use crate::peer::{self, Peer, SAME};
use crate::setting::Setting;
use crate::table::{self, median, verdict};

/// Answers written at once.
const STREAMS: usize = 16;
/// Speed may fall a little faster than the time that the system grants: caches are shared too.
const SHARE_GOAL: f64 = 0.9;
/// What the kernel counts a process's time in, on every Linux that this runs on.
const TICKS_PER_S: f64 = 100.0;

#[derive(Args)]
pub(crate) struct Beside {
    #[command(flatten)]
    setting: Setting,
    /// How often everyone has a turn; medians count.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Programs that compute all the time beside the engine.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    busy: Vec<usize>,
    /// llama.cpp too, on the same file.
    #[arg(long)]
    peers: bool,
    /// Tokens of each answer.
    #[arg(long, default_value_t = 64)]
    answer: usize,
}

/// A turn: tokens a second, and seconds of CPU a second.
type Turn = (f64, f64);

/// Programs that compute all the time, until this is dropped.
struct Crowd(Vec<Child>);

impl Crowd {
    fn of(count: usize) -> Outcome<Self> {
        let mut crowd = Self(Vec::new());
        for _ in 0..count {
            let mut shell = Command::new("sh");
            let child = shell.args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn();
            crowd.0.push(child.map_err(|error| format!("sh: {error}"))?);
        }
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Beside {
    pub(crate) fn run(&self) -> Outcome<()> {
        let scheduler = self.setting.scheduler(&self.setting.options())?;
        let mut peer = if self.peers { Some(Peer::start("speed.py", &self.setting)?) } else { None };
        if let Some(peer) = &mut peer {
            peer.tune(&SAME, self.turn())?;
        }
        let counts: Vec<usize> = [0].into_iter().chain(self.busy.iter().copied()).collect();
        let mut turns = vec![[Vec::new(), Vec::new()]; counts.len()];
        for round in 0..self.rounds {
            for (busy, turns) in counts.iter().zip(&mut turns) {
                eprintln!("round {} of {}: {busy} programs beside", round + 1, self.rounds);
                let crowd = Crowd::of(*busy)?;
                turns[0].push(self.ours(&scheduler, round as u64)?);
                if let Some(peer) = &mut peer {
                    turns[1].push(self.theirs(peer)?);
                }
                drop(crowd);
            }
        }
        print(&counts, &turns, self.peers);
        Ok(())
    }

    fn ours(&self, scheduler: &Scheduler, seed: u64) -> Outcome<Turn> {
        timed("self", || decode(scheduler, STREAMS, self.answer, seed).map_err(|fault| fault.to_string()))
    }

    fn theirs(&self, peer: &mut Peer) -> Outcome<Turn> {
        timed(&peer.process().to_string(), || Ok(peer.speed(&SAME, self.turn())?.computed))
    }

    const fn turn(&self) -> peer::Turn {
        peer::Turn { streams: STREAMS, tokens: self.answer }
    }
}

/// What `work` gives, and how much CPU the process had of each second meanwhile.
fn timed(process: &str, work: impl FnOnce() -> Outcome<f64>) -> Outcome<Turn> {
    let (before, start) = (cpu_s(process)?, Instant::now());
    let figure = work()?;
    Ok((figure, (cpu_s(process)? - before) / start.elapsed().as_secs_f64()))
}

/// How long a process has computed so far.
fn cpu_s(process: &str) -> Outcome<f64> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // After the name, which is in parentheses, the twelfth and thirteenth are user and system time (proc_pid_stat(5)).
    let fields = text.rsplit_once(')').map(|(_, fields)| fields.split_whitespace().skip(11).take(2));
    let ticks: Option<f64> = fields.into_iter().flatten().map(|field| field.parse::<f64>().ok()).sum();
    ticks.map(|ticks| ticks / TICKS_PER_S).ok_or_else(|| format!("{path} says no times"))
}

fn print(counts: &[usize], turns: &[[Vec<Turn>; 2]], with_peers: bool) {
    let titles = [
        "beside",
        "who",
        "tokens/s",
        "of alone",
        "CPU a second",
        "of alone",
        "speed kept of CPU kept",
        &format!("≥ {SHARE_GOAL}"),
    ];
    let middle = |turns: &[Turn], of: fn(&Turn) -> f64| median(&turns.iter().map(of).collect::<Vec<_>>());
    let mut rows = Vec::new();
    for (who, name) in ["Outcrop", "llama.cpp"].into_iter().enumerate().take(if with_peers { 2 } else { 1 }) {
        let alone = [middle(&turns[0][who], |turn| turn.0), middle(&turns[0][who], |turn| turn.1)];
        for (busy, turns) in counts.iter().zip(turns) {
            let [speed, cpu] = [middle(&turns[who], |turn| turn.0), middle(&turns[who], |turn| turn.1)];
            let kept = (speed / alone[0]) / (cpu / alone[1]);
            rows.push(vec![
                busy.to_string(),
                name.to_owned(),
                format!("{speed:.0}"),
                format!("{:.2}", speed / alone[0]),
                format!("{cpu:.2}"),
                format!("{:.2}", cpu / alone[1]),
                format!("{kept:.2}"),
                verdict(kept >= SHARE_GOAL),
            ]);
        }
    }
    table::print(&titles, &rows);
}
