use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::account::Account;
use super::draft::Trusts;
use super::pace::Load;
use super::{Keep, Next, Sequence, Supply, Terms};
use crate::adapter::Adapter;
use crate::kernels::PAGE_TOKENS;
use crate::kv::{Held, Kv, Scope};
use canon::Tier;

const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A sequence that was submitted: what it has, and where it stands.
pub(super) struct Running {
    pub(super) sequence: Box<dyn Sequence>,
    /// What changes the model for it.
    pub(super) adapter: Option<Arc<Adapter>>,
    /// The prompt, and what was generated.
    pub(super) tokens: Vec<u32>,
    prompt: usize,
    /// How many of them the pages hold keys and values of.
    pub(super) computed: usize,
    /// How many tokens are generated at most.
    pub(super) tokens_left: usize,
    pub(super) held: Held,
    /// How many of its rows this step computes, its draft included.
    pub(super) rows: usize,
    /// What may follow; computed in this step, in case it does.
    pub(super) draft: Vec<u32>,
    /// How many tokens led to it.
    pub(super) found_by: usize,
    pub(super) trusts: Trusts,
    pub(super) state: State,
    pub(super) rank: Rank,
    pub(super) account: Arc<Account>,
    pub(super) since: Instant,
    /// Rows of the same caller's later sequences that were computed before its own.
    pub(super) overtaken: usize,
    keep: Keep,
    /// Of each full page of the prompt, whether the cache supplied it when it was needed first.
    supplied: Vec<bool>,
}

/// Who comes before whom: by tier, then in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// 0 is the most urgent.
    pub(super) tier: usize,
    pub(super) number: u64,
}

/// How many tiers there are, and which of them gives way to every other.
pub(super) const TIERS: usize = 3;
pub(super) const FLEX: usize = 2;

/// A tier's place. What runs on reserved capacity is as urgent as priority.
pub(super) const fn place(tier: Tier) -> usize {
    match tier {
        Tier::Reserved | Tier::Priority => 0,
        Tier::Default => 1,
        Tier::Flex => FLEX,
    }
}

/// What a step has found for a position that wants a choice.
pub(super) enum Found<'a> {
    Logits(&'a mut [f32]),
    Likeliest(Option<u32>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Active,
    /// It wants nothing more.
    Done,
    /// Its choice of a token failed.
    Broken,
}

impl Running {
    pub(super) fn new(sequence: Box<dyn Sequence>, terms: Terms, account: Arc<Account>, number: u64) -> Self {
        let Terms { tier, caller, adapter, keep } = terms;
        let (tokens, tokens_left) = (sequence.prompt().to_vec(), sequence.tokens_max());
        Self {
            adapter: sequence.adapter(),
            sequence,
            prompt: tokens.len(),
            tokens,
            computed: 0,
            tokens_left,
            held: Held::new(Scope { adapter, caller }),
            rows: 0,
            draft: Vec::new(),
            found_by: 0,
            trusts: Trusts::default(),
            state: State::Active,
            rank: Rank { tier: place(tier), number },
            account,
            since: Instant::now(),
            overtaken: 0,
            keep,
            supplied: Vec::new(),
        }
    }

    /// How many of its tokens are not computed yet; at least one while it is active.
    pub(super) const fn pending(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Whether a step takes it one token on. Otherwise its prompt is being computed.
    pub(super) const fn is_answering(&self) -> bool {
        self.pending() == 1
    }

    /// What this step computes of it.
    pub(super) const fn load(&self) -> Load {
        if self.is_answering() {
            Load::answer(self.computed, self.rows)
        } else {
            Load::prompt(self.computed, self.rows)
        }
    }

    /// Whether it has generated nothing yet.
    pub(super) const fn is_new(&self) -> bool {
        self.tokens.len() == self.prompt
    }

    /// The token at a position, which may lie in its draft.
    pub(super) fn token(&self, position: usize) -> u32 {
        match position.checked_sub(self.tokens.len()) {
            None => self.tokens[position],
            Some(ahead) => self.draft[ahead],
        }
    }

    /// How many rows of logits this step gives it: none as long as its prompt is not complete.
    pub(super) const fn choices(&self) -> usize {
        if self.rows == self.pending() + self.draft.len() { self.draft.len() + 1 } else { 0 }
    }

    /// Takes what the cache has of it.
    pub(super) fn adopt(&mut self, kv: &mut Kv) -> usize {
        let blocks = kv.adopt(&mut self.held, &self.tokens);
        self.computed = self.computed.max(self.held.shared_tokens());
        self.note(true);
        blocks * PAGE_TOKENS
    }

    /// The step has computed its rows, but for its draft: what is full can be shared.
    pub(super) fn advance(&mut self, kv: &mut Kv) {
        self.computed += self.rows - self.draft.len();
        kv.share(&mut self.held, &self.tokens[..self.computed]);
        self.note(false);
    }

    /// Notes where full pages of the prompt came from that were not there before.
    fn note(&mut self, supplied: bool) {
        let full = self.computed.min(self.prompt) / PAGE_TOKENS;
        if full > self.supplied.len() {
            self.supplied.resize(full, supplied);
        }
    }

    /// Its prompt is computed: pins what is to be kept, and says where the prompt came from.
    pub(super) fn prepared(&mut self, kv: &mut Kv) {
        let Keep { hour, .. } = self.keep;
        let end = self.keep.tokens();
        kv.pin(&self.held, hour, HOUR);
        let pinned = kv.pin(&self.held, end, FIVE_MINUTES);
        let mut supply = Supply::default();
        for (block, supplied) in self.supplied.iter().enumerate() {
            let reach = (block + 1) * PAGE_TOKENS;
            match supplied {
                true if reach <= end => (supply.cached, supply.read) = (supply.cached + 1, supply.read + 1),
                true => supply.cached += 1,
                false if reach <= hour.min(pinned) => supply.written_1h += 1,
                false if reach <= pinned => supply.written_5m += 1,
                false => {}
            }
        }
        self.sequence.prepared(Supply {
            cached: supply.cached * PAGE_TOKENS,
            read: supply.read * PAGE_TOKENS,
            written_5m: supply.written_5m * PAGE_TOKENS,
            written_1h: supply.written_1h * PAGE_TOKENS,
        });
    }

    /// Gives its pages back; it is computed again when there is room.
    pub(super) fn put_off(&mut self, kv: &mut Kv) {
        kv.give_back(&mut self.held);
        (self.computed, self.rows) = (0, 0);
        self.draft.clear();
    }

    /// Chooses tokens by what the step has found for each of its positions, as long as its draft has said them before. Gives how
    /// many it had said.
    pub(super) fn choose<'a>(&mut self, found: impl Iterator<Item = Found<'a>>, vocabulary: usize) -> usize {
        let draft = std::mem::take(&mut self.draft);
        for (at, found) in found.enumerate() {
            let Some(token) = self.choose_one(found, vocabulary) else { return at };
            if draft.get(at) != Some(&token) {
                return at;
            }
            // What the step has computed beside it is what follows.
            self.computed += 1;
        }
        draft.len()
    }

    /// `None` where the sequence is at its end.
    fn choose_one(&mut self, found: Found<'_>, vocabulary: usize) -> Option<u32> {
        let sequence = &mut self.sequence;
        // A fault in one sequence's sampling must not end the others.
        let next = catch_unwind(AssertUnwindSafe(|| match found {
            Found::Logits(logits) => sequence.next(logits),
            Found::Likeliest(token) => {
                sequence.as_greedy().expect("a sequence that is greedy remains so").follow(token)
            }
        }));
        self.state = match next {
            Ok(Next::Token(token)) if (token as usize) < vocabulary => {
                self.tokens.push(token);
                self.tokens_left -= 1;
                if self.tokens_left > 0 {
                    return Some(token);
                }
                State::Done
            }
            Ok(Next::End) => State::Done,
            Ok(Next::Token(_)) | Err(_) => State::Broken,
        };
        None
    }
}
