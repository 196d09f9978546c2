//! What a call through Outcrop costs beside a bare proxy and other gateways: `cargo xtask bench gateway`.
//!
//! Every contender stands before the same upstream, which answers at once, and is put under the same load in turn,
//! round after round, so that what this machine's neighbours do falls on all of them. The figures that are kept lie in
//! `docs/performance.md`.

mod contender;
mod load;
mod peers;
mod process;
mod proxy;
mod rounds;
mod upstream;

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask bench gateway", about, args_conflicts_with_subcommands = true)]
struct Bench {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    rounds: rounds::Rounds,
}

/// The processes of a bench; it starts them itself.
#[derive(Subcommand)]
enum Part {
    /// An OpenAI-compatible server that answers at once: 1 kB whole, or 64 deltas where a stream is asked for.
    Upstream {
        #[arg(long)]
        listen: SocketAddr,
    },
    /// A proxy that passes requests and answers on and does nothing else: what the machine allows.
    Proxy {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        to: SocketAddr,
    },
    /// Keeps connections busy with one request, and prints what it saw as one JSON object.
    Load(load::Load),
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let bench = Bench::parse();
    match bench.part {
        Some(Part::Upstream { listen }) => upstream::run(listen).await,
        Some(Part::Proxy { listen, to }) => proxy::run(listen, to).await,
        Some(Part::Load(load)) => load.run().await,
        None => bench.rounds.run(),
    }
}
