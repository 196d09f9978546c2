//! What the tests of this crate share: a vocabulary small enough to read, and the real model where there is one.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::tokenizer::{Tokenizer, TokenizerParts};

/// Control tokens of [`tokenizer`], which stand after its 256 bytes and its merged tokens.
const CONTROL: [&str; 4] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<file_sep>"];
const MERGES: [&str; 8] = ["h e", "l l", "he ll", "hell o", "Ġ w", "i m", "Ã ©", "ð Ł"];

/// A byte-level tokenizer with eight merges, four control tokens and one that its author defined.
pub(crate) fn tokenizer() -> Tokenizer {
    let merged: Vec<String> = MERGES.iter().map(|merge| merge.replace(' ', "")).collect();
    let bytes: Vec<String> = crate::tokenizer::ALPHABET.iter().map(char::to_string).collect();
    let spelt = bytes.iter().chain(&merged).map(String::as_str).chain(CONTROL).chain(["<tool>"]);
    let tokens: Vec<&str> = spelt.collect();
    let first = tokens.len() - CONTROL.len() - 1;
    let kinds = (0..tokens.len()).map(|at| match at {
        at if at < first => 1,
        at if at + 1 < tokens.len() => 3,
        _ => 4,
    });
    let parts = TokenizerParts {
        model: "gpt2",
        pre: "smollm",
        kinds: kinds.collect(),
        merges: MERGES.to_vec(),
        bos: u32::try_from(first + 1).ok(),
        ends: u32::try_from(first + 2).into_iter().collect(),
        add_bos: Some(false),
        tokens,
        ..TokenizerParts::default()
    };
    Tokenizer::new(&parts).unwrap()
}

/// The file that `OUTCROP_TEST_MODEL` names; without it a test says that it was skipped.
pub(crate) fn model(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("OUTCROP_TEST_MODEL").map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: {test} needs a GGUF file; name it in OUTCROP_TEST_MODEL");
    }
    path
}

/// The folder of all-MiniLM-L6-v2 that `OUTCROP_TEST_ENCODER` names; without it a test says that it was skipped.
pub(crate) fn encoder(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("OUTCROP_TEST_ENCODER").map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: {test} needs the folder of all-MiniLM-L6-v2; name it in OUTCROP_TEST_ENCODER");
    }
    path
}

/// Waits for a future on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// The items of a stream that are still to come, one at a time.
pub(crate) fn next<S: futures_core::Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    block_on(std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)))
}
