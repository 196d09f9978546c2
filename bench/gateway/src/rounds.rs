use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use clap::Args;

use crate::contender::{self, Contender};
use crate::peers;
use crate::process::{Process, free_address};

/// Every contender under every load that it takes, in turn.
#[derive(Args)]
pub(crate) struct Rounds {
    /// How often everyone has a turn; medians are printed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a turn is counted.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Connections that the load keeps busy.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Other gateways too: installs LiteLLM from PyPI and Portkey from npm into target/.
    #[arg(long)]
    peers: bool,
}

/// What one turn showed.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    rps: f64,
    p50_us: f64,
    p99_us: f64,
    errors: f64,
    cpu_us: f64,
    resident_mib: f64,
}

type Figure = fn(&Turn) -> f64;

impl Rounds {
    pub(crate) fn run(&self) -> io::Result<()> {
        let folder = std::env::temp_dir().join(format!("outcrop-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["upstream", "--listen", &address.to_string()]);
        let upstream = Process::start(command, address, &folder.join("upstream.log"))?;
        let contenders = lineup(&folder, upstream.address, self.peers)?;
        let mut turns: BTreeMap<(&str, usize), Vec<Turn>> = BTreeMap::new();
        for round in 0..self.rounds {
            for (place, contender) in contenders.iter().enumerate() {
                for call in contender.calls {
                    eprintln!("round {} of {}: {}, {call}", round + 1, self.rounds, contender.name);
                    turns.entry((call, place)).or_default().push(self.turn(contender, call)?);
                }
            }
        }
        print(&contenders, &turns);
        drop((contenders, upstream));
        std::fs::remove_dir_all(&folder)
    }

    fn turn(&self, contender: &Contender, call: &str) -> io::Result<Turn> {
        let cpu_before = contender.process.cpu_s();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["load", "--call", call, "--target", &contender.process.address.to_string()]);
        command.args([
            "--seconds",
            &self.seconds.to_string(),
            "--connections",
            &self.connections.to_string(),
        ]);
        if let Some(folder) = &contender.data_dir {
            command.arg("--data-dir").arg(folder);
        }
        for header in &contender.headers {
            command.args(["--header", header]);
        }
        let done = command.output()?;
        let seen: serde_json::Value = serde_json::from_slice(&done.stdout).map_err(|error| {
            io::Error::other(format!("{error}: {}", String::from_utf8_lossy(&done.stderr)))
        })?;
        let figure = |name: &str| seen.get(name).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN);
        let cpu_s = contender.process.cpu_s() - cpu_before;
        Ok(Turn {
            rps: figure("rps"),
            p50_us: figure("p50_us"),
            p99_us: figure("p99_us"),
            errors: figure("errors"),
            cpu_us: cpu_s * 1e6 / figure("all_requests"),
            resident_mib: contender.process.resident_mib(),
        })
    }
}

/// Everyone whom the bench can start, the bare proxy first. One who cannot be started is named and left out.
fn lineup(folder: &Path, upstream: SocketAddr, with_peers: bool) -> io::Result<Vec<Contender>> {
    let mut all = vec![contender::proxy(folder, upstream)?, contender::outcrop(folder, upstream)?];
    if with_peers {
        for (name, start) in [("LiteLLM", peers::litellm as peers::Start), ("Portkey", peers::portkey)] {
            match start(folder, upstream) {
                Ok(contender) => all.push(contender),
                Err(error) => eprintln!("{name} is left out: {error}"),
            }
        }
    }
    Ok(all)
}

/// A row for each call and contender: medians, and the ratio to the bare proxy of the same call's manner, taken round
/// by round.
fn print(contenders: &[Contender], turns: &BTreeMap<(&str, usize), Vec<Turn>>) {
    println!(
        "| call | through | requests/s | of the bare proxy | p50 ms | p99 ms | CPU µs/request | memory MiB | errors |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    for ((call, place), rows) in turns {
        let bare = if call.ends_with("-stream") { "chat-stream" } else { "chat" };
        let base = turns.get(&(bare, 0)).map(Vec::as_slice).unwrap_or_default();
        let ratios = rows.iter().zip(base).map(|(row, base)| row.rps / base.rps).collect();
        let of = |figure: Figure| median(rows.iter().map(figure).collect());
        println!(
            "| {call} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} |",
            contenders[*place].name,
            of(|turn| turn.rps),
            median(ratios),
            of(|turn| turn.p50_us) / 1e3,
            of(|turn| turn.p99_us) / 1e3,
            of(|turn| turn.cpu_us),
            of(|turn| turn.resident_mib),
            of(|turn| turn.errors),
        );
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
