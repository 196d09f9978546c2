//! Servers that fail, in every way and before every surface: what the caller sees is what the pages say, and each
//! call has one receipt.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::call::{SURFACES, Seen, Surface};
use crate::hostile::{self, PIECES, USED};
use crate::product::Product;
use crate::receipts::{self, Receipt};
use crate::{given, pages};

/// Long enough for a busy machine, short enough to wait for.
const DEADLINE_MS: u64 = 1500;

/// What a server does, the kind of fault that a whole answer and a stream become, and whether the stream had begun.
type Failure = (&'static str, &'static str, &'static str, bool);

const FAILURES: [Failure; 16] = [
    ("nobody", "upstream", "upstream", false),
    ("closes", "upstream", "upstream", false),
    ("speaks-ssh", "upstream", "upstream", false),
    ("hangs", "upstream-timeout", "upstream-timeout", false),
    ("bad-key", "upstream", "upstream", false),
    ("no-model", "upstream", "upstream", false),
    ("busy", "overloaded", "overloaded", false),
    ("unavailable", "overloaded", "overloaded", false),
    ("fails", "upstream", "upstream", false),
    ("too-long", "context-exceeded", "context-exceeded", false),
    ("declines", "malformed", "malformed", false),
    ("garbage", "upstream", "upstream-stream", false),
    ("dies", "upstream", "upstream-stream", true),
    ("falls-silent", "upstream-timeout", "upstream-timeout", true),
    ("babbles", "", "upstream-stream", true),
    ("reports", "", "upstream-stream", true),
];
/// What only the operator may read of them.
const PRIVATE: [&str; 6] = ["0x7f", "tenant 7", "no such key", "It works", "replicas", "SSH"];

fn estate(folder: &Path, file: &str) -> PathBuf {
    let (server, nobody) = (hostile::start(), hostile::nobody());
    let mut text = String::new();
    for (name, address) in [("server", &server), ("nobody", &nobody)] {
        write!(
            text,
            "[[provider]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"http://{address}/v1\"\n\
             connect_ms = {DEADLINE_MS}\nfirst_event_ms = {DEADLINE_MS}\nidle_ms = {DEADLINE_MS}\n\
             whole_ms = {DEADLINE_MS}\n"
        )
        .expect("a text can be written to");
    }
    let mut deployment = |model: &str, name: &str, upstream: &str| {
        let provider = if upstream == "nobody" { "nobody" } else { "server" };
        write!(
            text,
            "[[deployment]]\nmodel = \"acme.{model}-v1:0\"\nname = \"{name}\"\nprovider = \"{provider}\"\n\
             upstream_model = \"{upstream}\"\n"
        )
        .expect("a text can be written to");
    };
    for (upstream, ..) in FAILURES {
        deployment(upstream, upstream, upstream);
        deployment(&format!("{upstream}-or-good"), &format!("first-{upstream}"), upstream);
        deployment(&format!("{upstream}-or-good"), &format!("second-{upstream}"), "good");
    }
    deployment("stops-short", "stops-short", "stops-short");
    let path = folder.join(file);
    std::fs::write(&path, text).expect("a file can be written");
    path
}

fn ask(front: &Product, surface: Surface, model: &str, stream: bool) -> (Seen, Receipt) {
    let seen = surface.ask((&front.address, &front.api_key), &format!("acme.{model}-v1:0"), 16, stream);
    let receipt = receipts::one(&front.data, &seen.id);
    (seen, receipt)
}

fn check(front: &Product, surface: Surface, (server, whole, stream, begun): Failure, streams: bool) {
    let code = if streams { stream } else { whole };
    let in_stream = streams && begun;
    let start = Instant::now();
    let (seen, receipt) = ask(front, surface, server, streams);
    let what = format!("{server}, {surface:?}, stream: {streams}: {seen:#?}");
    assert!(start.elapsed() < Duration::from_millis(2 * DEADLINE_MS + 2000), "it took too long: {what}");

    let promise = pages::promise(code, surface, in_stream);
    assert_eq!(seen.status, promise.status, "{what}");
    for word in &promise.words {
        assert!(seen.text.contains(word.as_str()), "no {word}: {what}");
    }
    assert!(!PRIVATE.iter().any(|word| seen.text.contains(word)), "it says too much: {what}");

    let said = if in_stream { PIECES.len() as u64 } else { 0 };
    assert_eq!((receipt.outcome.as_str(), receipt.output), (code, said), "{what}");
    assert_eq!(receipt.input > 0, in_stream, "a prompt is charged when its answer began: {what}");
    assert_eq!(receipt.deployment.as_deref(), Some(server), "{what}");
    for piece in PIECES.iter().filter(|_| in_stream) {
        assert!(seen.text.contains(&format!("\"{piece}\"")), "{piece} was lost: {what}");
    }
}

#[test]
fn every_failure_has_its_documented_outcome_on_every_surface_and_one_receipt() {
    let Some((binary, folder)) = given("failures") else { return };
    let estate = estate(&folder, "estate.toml");
    let front = Product::before(&binary, &folder.join("front"), &estate);
    let cases = || FAILURES.into_iter().flat_map(|failure| [false, true].map(|streams| (failure, streams)));
    let cases: Vec<_> = cases().filter(|((_, whole, ..), streams)| *streams || !whole.is_empty()).collect();
    // At once, because most of the time is spent waiting for deadlines.
    std::thread::scope(|scope| {
        for surface in SURFACES {
            let (front, cases) = (&front, &cases);
            scope.spawn(move || {
                cases.iter().for_each(|(failure, streams)| check(front, surface, *failure, *streams));
            });
        }
    });
    assert_eq!(receipts::of(&front.data).len(), cases.len() * SURFACES.len(), "one receipt for each call");
    front.stop();
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

#[test]
fn a_deployment_that_fails_before_its_first_event_is_replaced_and_one_after_it_is_not() {
    let Some((binary, folder)) = given("failover") else { return };
    let front = Product::before(&binary, &folder.join("front"), &estate(&folder, "estate.toml"));
    for (server, whole, stream, begun) in FAILURES {
        for (streams, code) in [(false, whole), (true, stream)] {
            // What the caller did wrong is wrong elsewhere too.
            let stays = matches!(code, "context-exceeded" | "malformed" | "") || (streams && begun);
            if stays && streams == begun && !code.is_empty() {
                let (_, receipt) = ask(&front, Surface::Chat, &format!("{server}-or-good"), streams);
                let first = format!("first-{server}");
                assert_eq!((receipt.deployment, receipt.outcome), (Some(first), code.to_owned()));
            } else if !stays {
                let (seen, receipt) = ask(&front, Surface::Messages, &format!("{server}-or-good"), streams);
                let expected = Receipt {
                    id: receipt.id.clone(),
                    deployment: Some(format!("second-{server}")),
                    outcome: "completed".into(),
                    input: USED.0,
                    output: USED.1,
                };
                assert_eq!(receipt, expected, "{server}, stream: {streams}: {seen:#?}");
                assert_eq!(seen.status, 200);
            }
        }
    }
    let (seen, receipt) = ask(&front, Surface::Chat, "stops-short", true);
    assert_eq!(receipt.outcome, "upstream-stream", "an end without a reason is none: {seen:#?}");
    front.stop();
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}
