//! Promise 1, from the outside: the product is killed at a hundred random moments under load, and afterwards its
//! receipts say what its clients saw.
//!
//! It needs the built product and its default model, so that `cargo test` by itself passes it over, aloud;
//! `cargo xtask test` provides both.

mod client;
mod product;
mod records;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use client::{Manner, Seen};
use product::Product;
use records::Row;

/// How often the product is killed.
const KILLS: usize = 100;
/// Clients that ask at once.
const CLIENTS: usize = 8;
/// A kill comes so many milliseconds after the clients began, at the latest.
const LIFE_MS_MAX: u64 = 700;
/// Seeds the moments, so that a failure can be had again.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

#[test]
fn receipts_equal_what_clients_saw_after_a_hundred_kills() {
    let Some(binary) = std::env::var_os(xtask::clients::BINARY).map(PathBuf::from) else {
        eprintln!("passed over: it needs the built product; run `cargo xtask test --only crash`");
        return;
    };
    let folder = std::env::temp_dir().join(format!("outcrop-crash-{}", std::process::id()));
    let data = folder.join("data");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut random = SEED;
    for kill in 0..KILLS {
        let mut product =
            Product::start(&binary, &data).unwrap_or_else(|error| panic!("start {kill}: {error}"));
        let life = Duration::from_millis(next(&mut random) % LIFE_MS_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let clients = ask_on(&product, &stop, &seen);
        thread::sleep(life);
        product.kill();
        stop.store(true, Ordering::Release);
        clients.into_iter().for_each(|client| client.join().expect("a client does not panic"));
    }
    // One more start settles what the last kill left open, and a stop in good order leaves nothing open.
    Product::start(&binary, &data).and_then(Product::stop).expect("it starts and stops after all that");

    let seen = Arc::into_inner(seen).expect("every client is gone").into_inner().expect("no client panicked");
    let rows = records::rows(&data);
    compare(&seen, &rows);
    assert!(product::verifies(&binary, &data), "the audit verifies");
    records::flip_a_byte(&data);
    assert!(!product::verifies(&binary, &data), "a flipped byte is found");
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

fn ask_on(
    product: &Product,
    stop: &Arc<AtomicBool>,
    seen: &Arc<Mutex<Vec<Seen>>>,
) -> Vec<thread::JoinHandle<()>> {
    let ask = |number: usize| {
        let (address, key) = (product.address.clone(), product.api_key.clone());
        let (stop, seen) = (Arc::clone(stop), Arc::clone(seen));
        let manner = if number.is_multiple_of(2) { Manner::Whole } else { Manner::Stream };
        thread::spawn(move || {
            while !stop.load(Ordering::Acquire) {
                if let Some(answer) = client::ask(&address, &key, manner) {
                    seen.lock().expect("no client panicked").push(answer);
                }
            }
        })
    };
    (0..CLIENTS).map(ask).collect()
}

/// Every call that a client saw is on record, once; every answer that it saw complete is on record with the tokens
/// that it was told; and nothing is open.
fn compare(seen: &[Seen], rows: &[Row]) {
    let mut by_id: HashMap<&str, &Row> = HashMap::new();
    for row in rows {
        assert!(by_id.insert(&row.id, row).is_none(), "{} is on record twice", row.id);
        assert!(row.outcome.is_some(), "{} is open", row.id);
    }
    let mut complete = 0;
    for answer in seen {
        let row = by_id.get(answer.id.as_str()).unwrap_or_else(|| panic!("{} is not on record", answer.id));
        if let Some(usage) = answer.usage {
            complete += 1;
            assert_eq!(row.outcome.as_deref(), Some("completed"), "{}", answer.id);
            assert_eq!((row.input, row.output), usage, "{}", answer.id);
        }
    }
    let interrupted = rows.iter().filter(|row| row.outcome.as_deref() == Some("interrupted")).count();
    assert!(
        complete >= KILLS,
        "only {complete} answers were complete: the load was too small to mean anything"
    );
    assert!(
        interrupted >= KILLS / 4,
        "only {interrupted} calls were interrupted: the kills came at idle moments"
    );
}

/// `SplitMix64`, by Steele, Lea and Flood (2014): enough for moments.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
