//! Ports and backends that tests drive by hand.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use access::{Key, Keyring, Minted, Presented};
use canon::{
    Backend, BlockKind, BoxFuture, Call, Capabilities, Content, Event, Fault, Finish, Generation, Kind,
    Message, ModelCard, ModelId, Request, Role, StopReason, Tally, Usage,
};
use futures_core::Stream;

use crate::catalog::{Catalog, Deployment, Load};
use crate::{Clock, Directory, Entropy, Gateway, IntentRecord, Journal, Receipt, Served, Snapshot};

pub(crate) const MODEL: &str = "acme.tiny-v1:0";
const NOW_MS: u64 = 1_800_000_000_000;

/// A journal in memory that can be told to fail.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) intents: Mutex<Vec<IntentRecord>>,
    pub(crate) receipts: Mutex<Vec<Receipt>>,
    pub(crate) full: AtomicBool,
}

impl Book {
    fn write(&self, record: impl FnOnce(&Self)) -> BoxFuture<'static, Result<(), Fault>> {
        let full = self.full.load(Ordering::Relaxed);
        if !full {
            record(self);
        }
        Box::pin(
            async move { if full { Err(Fault::new(Kind::Storage, "the disk is full")) } else { Ok(()) } },
        )
    }

    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        self.receipts.lock().unwrap().clone()
    }

    /// The only receipt, which belongs to the only intent.
    pub(crate) fn receipt(&self) -> Receipt {
        let receipts = self.receipts();
        assert_eq!(receipts.len(), 1, "exactly one receipt");
        let intents = self.intents.lock().unwrap();
        assert_eq!(intents.len(), 1, "exactly one intent");
        assert_eq!(intents[0].id, receipts[0].id);
        receipts[0].clone()
    }
}

impl Journal for Book {
    fn open(&self, intent: IntentRecord) -> BoxFuture<'static, Result<(), Fault>> {
        self.write(|book| book.intents.lock().unwrap().push(intent))
    }

    fn settle(&self, receipt: Receipt) -> BoxFuture<'static, Result<(), Fault>> {
        self.write(|book| book.receipts.lock().unwrap().push(receipt))
    }
}

struct Fixed(Arc<Snapshot>);

impl Directory for Fixed {
    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0)
    }
}

struct Still;

impl Clock for Still {
    fn now_ms(&self) -> u64 {
        NOW_MS
    }
}

#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        for (byte, value) in bytes.iter_mut().zip(next) {
            *byte = value;
        }
    }
}

/// What a scripted backend does next: an item of its stream, or nothing for ever.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Item(Result<Event, Fault>),
    Hang,
}

/// A backend that answers every call with the same script.
pub(crate) struct Scripted {
    pub(crate) can: Capabilities,
    pub(crate) refusal: Option<Fault>,
    pub(crate) script: Vec<Step>,
    pub(crate) calls: AtomicU64,
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Scripted {
    pub(crate) fn new(script: Vec<Step>) -> Self {
        let can = Capabilities { tools: true, ..Capabilities::default() };
        Self { can, refusal: None, script, calls: AtomicU64::new(0), cancelled: Arc::default() }
    }

    pub(crate) fn refusing(fault: Fault) -> Self {
        Self { refusal: Some(fault), ..Self::new(Vec::new()) }
    }

    /// Says `words`, a token each, and finishes.
    pub(crate) fn saying(words: &[&str]) -> Self {
        Self::new(script(words, true))
    }
}

pub(crate) fn script(words: &[&str], finish: bool) -> Vec<Step> {
    let mut steps = vec![Step::Item(Ok(Event::BlockStart { index: 0, kind: BlockKind::Text }))];
    let text = |word: &&str| Step::Item(Ok(Event::Text { index: 0, text: (*word).to_owned() }));
    steps.extend(words.iter().map(text));
    if finish {
        steps.push(Step::Item(Ok(Event::BlockStop { index: 0 })));
        let usage = Usage::plain(5, words.len() as u64);
        steps.push(Step::Item(Ok(Event::Finish(Finish::new(StopReason::EndTurn, usage)))));
    }
    steps
}

struct Playing {
    steps: VecDeque<Step>,
    tally: Arc<Tally>,
    cancelled: Arc<AtomicBool>,
}

impl Stream for Playing {
    type Item = Result<Event, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.steps.front() {
            None => Poll::Ready(None),
            Some(Step::Hang) => Poll::Pending,
            Some(Step::Item(item)) => {
                let item = item.clone();
                self.steps.pop_front();
                if matches!(item, Ok(Event::Text { .. })) {
                    self.tally.add_output(1);
                }
                Poll::Ready(Some(item))
            }
        }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Backend for Scripted {
    fn capabilities(&self) -> &Capabilities {
        &self.can
    }

    fn count<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<u64, Fault>> {
        Box::pin(async { Ok(5) })
    }

    fn generate(&self, _: Arc<Request>) -> BoxFuture<'_, Result<Generation, Fault>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.refusal.clone().map_or_else(
            || {
                let tally = Arc::new(Tally::default());
                tally.set_input(5);
                let steps = self.script.clone().into();
                let cancelled = Arc::clone(&self.cancelled);
                let events = Box::pin(Playing { steps, tally: Arc::clone(&tally), cancelled });
                Ok(Generation { events, tally, relayed: false, ignored: canon::HintSet::default() })
            },
            Err,
        );
        Box::pin(async move { answer })
    }
}

/// A gateway over one key and one model, and everything that a test wants to look at.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) book: Arc<Book>,
    pub(crate) backends: Vec<Arc<Scripted>>,
    pub(crate) loads: Vec<Arc<Load>>,
    bearer: String,
}

impl World {
    pub(crate) fn new(backends: impl IntoIterator<Item = Scripted>) -> Self {
        Self::limited(backends, 8)
    }

    pub(crate) fn limited(backends: impl IntoIterator<Item = Scripted>, calls_max: usize) -> Self {
        let (key, minted) = mint();
        let backends: Vec<_> = backends.into_iter().map(Arc::new).collect();
        let loads: Vec<Arc<Load>> = backends.iter().map(|_| Arc::default()).collect();
        let mut catalog = Catalog::default();
        for (index, (backend, load)) in backends.iter().zip(&loads).enumerate() {
            let backend: Arc<dyn Backend> = Arc::clone(backend) as _;
            catalog.add(
                card(MODEL),
                Deployment { name: format!("d{index}").into(), backend, load: Arc::clone(load) },
            );
        }
        let snapshot = Snapshot { keys: Arc::new(Keyring::new([key])), catalog: Arc::new(catalog) };
        let book = Arc::new(Book::default());
        let gateway = Gateway::new(
            Arc::new(Fixed(Arc::new(snapshot))),
            Arc::clone(&book) as _,
            Arc::new(Still),
            Arc::new(Counting::default()),
            calls_max,
        );
        let token = String::from_utf8(minted.api_key.expose().to_vec()).unwrap();
        Self { gateway, book, backends, loads, bearer: format!("Bearer {token}") }
    }

    pub(crate) async fn serve(&self, call: impl Into<Call>) -> Result<Served, Fault> {
        let headers = [("authorization", self.bearer.as_bytes())];
        let presented = Presented { method: "POST", path: "/", query: "", headers: &headers, body: b"" };
        self.gateway.serve(self.gateway.arrive(), &presented, |_| Ok(call.into())).await
    }
}

pub(crate) fn mint() -> (Key, Minted) {
    Key::mint("tester", vec!["*".into()], NOW_MS - 1, &[7; access::ENTROPY_BYTES])
}

pub(crate) fn card(id: &str) -> ModelCard {
    ModelCard {
        id: ModelId::new(id),
        name: "Tiny".into(),
        provider: "Acme".into(),
        input: vec![canon::Modality::Text],
        output: vec![canon::Modality::Text],
        context_tokens_max: Some(64),
        since_ms: 0,
    }
}

pub(crate) fn hello() -> Request {
    let mut request = Request::new(ModelId::new(MODEL));
    request.messages.push(Message { role: Role::User, content: vec![Content::Text("hello".into())] });
    request
}
