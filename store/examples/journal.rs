//! How many records a second the journal takes: `cargo run --release -p store --example journal -- CALLS AT_ONCE`.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use access::KeyId;
use canon::{Fault, ModelId, Usage};
use futures_util::future::try_join_all;
use gateway::{Entropy, IntentRecord, Journal, Outcome, Receipt, RequestId};
use store::{DataDir, Durability, Options, Store};

const NOW_MS: u64 = 1_700_000_000_000;

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            // The odd constant of SplitMix64 spreads a count over all bits, as random ids are.
            let count = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&count.to_le_bytes()[..chunk.len()]);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let calls = arguments.next().transpose()?.unwrap_or(200_000);
    let at_once = arguments.next().transpose()?.unwrap_or(256);
    for durability in [Durability::Full, Durability::Normal] {
        let folder = std::env::temp_dir().join(format!("outcrop-journal-{}", std::process::id()));
        let entropy = Counter(AtomicU64::new(1));
        let dir = DataDir::open(&folder)?;
        let (store, _) = Store::open(&dir, &Options { durability, ..Options::default() }, &entropy, NOW_MS)?;
        let began = Instant::now();
        let mut slowest = Duration::ZERO;
        for _ in 0..calls.div_ceil(at_once) {
            let round = Instant::now();
            run(&store, &entropy, at_once)?;
            slowest = slowest.max(round.elapsed());
        }
        let seconds = began.elapsed().as_secs_f64();
        let records = (2 * calls.div_ceil(at_once) * at_once) as f64;
        println!(
            "{durability:?}: {:.0} records/s, {at_once} calls at once, slowest round {slowest:?}",
            records / seconds
        );
        store.close(NOW_MS);
        let bytes = std::fs::metadata(folder.join("outcrop.db"))?.len();
        println!("  {} bytes a call on the disk", bytes * 2 / records as u64);
        let began = Instant::now();
        let verdict = store.records().verify(None)?;
        println!("  intact: {}, {} lines in {:?}", verdict.is_intact(), verdict.head.line, began.elapsed());
        let began = Instant::now();
        let rows = store.records().usage(store::Period::EVER)?.len();
        println!("  {rows} rows of usage in {:?}", began.elapsed());
        drop(store);
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// Opens `at_once` calls and then settles them.
fn run(store: &Store, entropy: &Counter, at_once: usize) -> Result<(), Fault> {
    let ids: Vec<_> = std::iter::repeat_with(|| {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        RequestId::from_random(bytes)
    })
    .take(at_once)
    .collect();
    let (key, model) =
        (KeyId::new("AKIAABCDEFGHIJKLMNOP"), ModelId::new("huggingfacetb.smollm2-135m-instruct-v1:0"));
    let deployment: Arc<str> = Arc::from("embedded");
    let intents = ids.iter().map(|&id| IntentRecord {
        id,
        arrived_ms: NOW_MS,
        key: key.clone(),
        model: model.clone(),
        format: "converse",
        reserved_tokens: 640,
    });
    block_on(try_join_all(intents.map(|intent| store.open(intent))))?;
    let receipts = ids.iter().map(|&id| Receipt {
        id,
        settled_ms: NOW_MS + 20,
        deployment: Some(Arc::clone(&deployment)),
        outcome: Outcome::Completed,
        usage: Usage::plain(128, 64),
    });
    block_on(try_join_all(receipts.map(|receipt| store.settle(receipt)))).map(drop)
}

fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
