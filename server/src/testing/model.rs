//! A model that plays scripts.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use canon::{
    Backend, BlockKind, BoxFuture, Capabilities, Content, EmbedRequest, Event, Fault, Finish, Generation,
    HintSet, Request, StopReason, Tally, Usage,
};
use futures_util::Stream;
use tokio::sync::mpsc;

/// The length of every prompt.
pub(crate) const PROMPT_TOKENS: u64 = 5;

/// What a call plays: items that are sent here. It closes when the call is cancelled; dropped without an end, it breaks
/// the answer off.
pub(crate) type Feed = mpsc::Sender<Result<Event, Fault>>;
type Fed = mpsc::Receiver<Result<Event, Fault>>;

/// What every vector is.
pub(crate) const VECTOR: [f32; 3] = [0.5, -0.25, 1.0];

/// Plays what was queued for the next call. Where nothing was, it says as many words as the prompt's number asks for,
/// or else two; each is a token. Asked for vectors, it makes one for each text.
pub(crate) struct Scripted {
    can: Capabilities,
    queued: Mutex<VecDeque<Fed>>,
}

impl Default for Scripted {
    fn default() -> Self {
        let dimensions = Some(VECTOR.len() as u64);
        let can = Capabilities { dimensions, hints: HintSet::PURPOSE, ..Capabilities::default() };
        Self { can, queued: Mutex::default() }
    }
}

impl Scripted {
    /// The next call plays what is fed to it.
    pub(crate) fn feed(&self) -> Feed {
        let (feed, fed) = mpsc::channel(16);
        self.queued.lock().unwrap().push_back(fed);
        feed
    }

    /// The next call plays `items`.
    pub(crate) fn play(&self, items: impl IntoIterator<Item = Result<Event, Fault>>) {
        let feed = self.feed();
        items.into_iter().for_each(|item| feed.try_send(item).unwrap());
    }
}

/// The beginning of an answer that says `words`.
pub(crate) fn text(words: &[&str]) -> Vec<Result<Event, Fault>> {
    let text = |word: &&str| Ok(Event::Text { index: 0, text: (*word).to_owned() });
    let start = Ok(Event::BlockStart { index: 0, kind: BlockKind::Text });
    std::iter::once(start).chain(words.iter().map(text)).collect()
}

/// Its end, after so many words.
fn end(words: usize) -> [Result<Event, Fault>; 2] {
    let usage = Usage::plain(PROMPT_TOKENS, words as u64);
    [Ok(Event::BlockStop { index: 0 }), Ok(Event::Finish(Finish::new(StopReason::EndTurn, usage)))]
}

/// Says it word by word, with others in between.
fn improvise(request: &Request) -> Fed {
    let prompt =
        request.messages.iter().flat_map(|message| &message.content).find_map(|content| match content {
            Content::Text(text) => text.parse::<usize>().ok(),
            _ => None,
        });
    let words = prompt.map_or_else(|| vec!["hello", " there"], |words| vec!["word "; words]);
    let items = text(&words).into_iter().chain(end(words.len()));
    let (feed, fed) = mpsc::channel(1);
    tokio::spawn(async move {
        for item in items {
            if feed.send(item).await.is_err() {
                break;
            }
        }
    });
    fed
}

impl Backend for Scripted {
    fn capabilities(&self) -> &Capabilities {
        &self.can
    }

    fn count<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<u64, Fault>> {
        Box::pin(std::future::ready(Ok(PROMPT_TOKENS)))
    }

    fn generate(&self, request: Arc<Request>) -> BoxFuture<'_, Result<Generation, Fault>> {
        let fed = self.queued.lock().unwrap().pop_front().unwrap_or_else(|| improvise(&request));
        self.play_fed(fed, HintSet::of(&request))
    }

    fn embed(&self, request: Arc<EmbedRequest>) -> BoxFuture<'_, Result<Generation, Fault>> {
        let fed = self.queued.lock().unwrap().pop_front().unwrap_or_else(|| vectors(request.inputs.len()));
        self.play_fed(fed, HintSet::of_embed(&request))
    }
}

impl Scripted {
    fn play_fed(&self, fed: Fed, hints: HintSet) -> BoxFuture<'_, Result<Generation, Fault>> {
        let tally = Arc::new(Tally::default());
        tally.set_input(PROMPT_TOKENS);
        let events = Box::pin(Playing { fed, tally: Arc::clone(&tally) });
        let ignored = hints.without(self.can.hints);
        Box::pin(std::future::ready(Ok(Generation { events, tally, relayed: false, ignored })))
    }
}

/// A vector for each of so many texts.
fn vectors(texts: usize) -> Fed {
    let (feed, fed) = mpsc::channel(texts + 1);
    for index in 0..u32::try_from(texts).unwrap() {
        feed.try_send(Ok(Event::Vector { index, numbers: VECTOR.to_vec() })).unwrap();
    }
    let finish = Finish::new(StopReason::EndTurn, Usage::plain(PROMPT_TOKENS, 0));
    feed.try_send(Ok(Event::Finish(finish))).unwrap();
    fed
}

struct Playing {
    fed: Fed,
    tally: Arc<Tally>,
}

impl Stream for Playing {
    type Item = Result<Event, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.fed.poll_recv(cx);
        if matches!(next, Poll::Ready(Some(Ok(Event::Text { .. })))) {
            self.tally.add_output(1);
        }
        next
    }
}
