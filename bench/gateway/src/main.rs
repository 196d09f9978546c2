//! The three parts of the gateway bench: an upstream that answers at once, a proxy that does nothing, and a load.
//! `cargo xtask bench gateway` puts them together; see `docs/performance.md`.

mod load;
mod proxy;
mod upstream;

use std::net::SocketAddr;

use clap::Parser;

#[derive(Parser)]
#[command(about)]
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
    match Part::parse() {
        Part::Upstream { listen } => upstream::run(listen).await,
        Part::Proxy { listen, to } => proxy::run(listen, to).await,
        Part::Load(load) => load.run().await,
    }
}
