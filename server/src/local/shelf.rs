//! Which models are in memory, and what to do next. Pure: it knows numbers and times, and neither files nor threads.
//!
//! Models that are waited for get their turn in the order in which the waiting began, one load at a time. Whoever is in
//! the way goes: first what nobody uses, by the time of last use; then what is in use, which takes no more calls as soon
//! as its turn is over, and goes when its last call has ended. A turn is a multiple of the time that loading took, so
//! that two models that are called all the time and do not fit together spend most of their time answering. Whoever is in
//! nobody's way is not held up: it takes calls, and where it is out and fits beside the one whose turn it is, it comes in.
//!
//! A tuned model has a place of its own, for its adapter, and a base: it comes in after its base, goes before it, and takes
//! no calls while its base takes none. A base leaves room for adapters when it comes in.

mod plan;

use std::collections::BTreeMap;

/// A model may take calls for so many times as long as it took to load, while others wait for its memory.
const TURN_LOADS: u64 = 4;
const TURN_MS_MIN: u64 = 1_000;
const TURN_MS_MAX: u64 = 60_000;
/// How long a model that could not be loaded is not tried again, the first time; each time twice as long.
const REST_MS_MIN: u64 = 1_000;
const REST_MS_MAX: u64 = 60_000;

/// Stands for a model.
pub(super) type Key = u64;

/// The memory that a model wants, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wants {
    /// With less it cannot be used.
    pub(super) least: u64,
    /// With more it would be no better.
    pub(super) most: u64,
}

/// A model's place.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) wants: Wants,
    /// It is never unloaded to make room.
    pub(super) pinned: bool,
    /// The model that it changes, if it is a tuned one.
    pub(super) base: Option<Key>,
    /// It goes when nobody has used it for so long.
    pub(super) idle_ms: Option<u64>,
    pub(super) state: State,
    /// What is set aside for it; 0 while it is out.
    pub(super) bytes: u64,
    /// Calls under way.
    pub(super) users: usize,
    /// Calls that wait for it.
    pub(super) waiting: usize,
    /// It is to be loaded though nobody waits.
    pub(super) asked: bool,
    /// It is to go as soon as nobody uses it.
    pub(super) leaving: bool,
    /// When a call last ended, or it came in.
    pub(super) used_ms: u64,
    /// How long loading took.
    pub(super) load_ms: u64,
    /// When its turn began.
    ready_ms: u64,
    /// Its place among those that wait.
    ticket: u64,
    /// It is not tried again before.
    rests_until_ms: u64,
    failures: u32,
}

/// Where a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Out,
    Loading,
    /// It takes calls.
    Ready,
    /// It is in memory, and takes no more calls.
    Draining,
    Unloading,
}

/// What to do next. The state says already that it is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Load it into so many bytes; then [`Shelf::loaded`] or [`Shelf::failed`].
    Load(Key, u64),
    /// Let it go; then [`Shelf::unloaded`].
    Unload(Key),
    /// Tell those that wait for it that it cannot be had.
    Refuse(Key, Refusal),
    /// Those that wait for it may enter.
    Open(Key),
    /// Nothing, until something changes or it is so late.
    Rest(Option<u64>),
}

/// Why a model cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All memory would not suffice.
    TooLarge,
    /// What is pinned leaves too little.
    Pinned,
}

impl Place {
    pub(super) const fn new(wants: Wants, pinned: bool, idle_ms: Option<u64>) -> Self {
        Self {
            wants,
            pinned,
            base: None,
            idle_ms,
            state: State::Out,
            bytes: 0,
            users: 0,
            waiting: 0,
            asked: false,
            leaving: false,
            used_ms: 0,
            load_ms: 0,
            ready_ms: 0,
            ticket: 0,
            rests_until_ms: 0,
            failures: 0,
        }
    }

    /// The place of a tuned model of `base`.
    pub(super) const fn over(self, base: Key) -> Self {
        Self { base: Some(base), ..self }
    }

    const fn is_wanted(&self) -> bool {
        self.waiting > 0 || self.asked
    }

    pub(super) const fn is_in(&self) -> bool {
        matches!(self.state, State::Ready | State::Draining)
    }

    /// Nobody uses it. Who waits for a model that is open is about to.
    const fn is_idle(&self) -> bool {
        self.is_in() && self.users == 0 && (self.waiting == 0 || matches!(self.state, State::Draining))
    }

    fn turn_ends_ms(&self) -> u64 {
        let turn = self.load_ms.saturating_mul(TURN_LOADS).clamp(TURN_MS_MIN, TURN_MS_MAX);
        self.ready_ms.saturating_add(turn)
    }
}

/// The models that there are, and the memory that they share.
pub(super) struct Shelf {
    pub(super) bytes_max: u64,
    places: BTreeMap<Key, Place>,
    tickets: u64,
}

impl Shelf {
    pub(super) const fn new(bytes_max: u64) -> Self {
        Self { bytes_max, places: BTreeMap::new(), tickets: 0 }
    }

    pub(super) fn add(&mut self, key: Key, place: Place) {
        self.places.insert(key, place);
    }

    /// A place that is out and that nobody waits for may be removed.
    pub(super) fn remove(&mut self, key: Key) {
        self.places.remove(&key);
    }

    pub(super) fn place(&self, key: Key) -> Option<&Place> {
        self.places.get(&key)
    }

    /// Whether no call is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.places.values().all(|place| place.users == 0)
    }

    /// Whether somebody still has to do with it.
    pub(super) fn is_used(&self, key: Key) -> bool {
        self.places.get(&key).is_some_and(|place| place.state != State::Out || place.waiting > 0)
    }

    /// It goes when nobody has used it for so long.
    pub(super) fn keep_idle(&mut self, key: Key, idle_ms: Option<u64>) {
        if let Some(place) = self.places.get_mut(&key) {
            place.idle_ms = idle_ms;
        }
    }

    /// What is set aside for all models.
    pub(super) fn held_bytes(&self) -> u64 {
        self.places.values().map(|place| place.bytes).sum()
    }

    /// A call comes; whether it may use the model at once. If not it waits, until [`Self::enter`] or
    /// [`Self::give_up`].
    pub(super) fn arrive(&mut self, key: Key) -> bool {
        let ticket = self.ticket();
        let Some(place) = self.places.get_mut(&key) else { return false };
        if place.state == State::Ready {
            place.users += 1;
            return true;
        }
        if !place.is_wanted() {
            place.ticket = ticket;
        }
        place.waiting += 1;
        false
    }

    /// One of those that wait tries again; whether it may use the model now.
    pub(super) fn enter(&mut self, key: Key) -> bool {
        match self.places.get_mut(&key) {
            Some(place) if place.state == State::Ready => {
                place.waiting -= 1;
                place.users += 1;
                true
            }
            _ => false,
        }
    }

    /// One of those that wait waits no longer.
    pub(super) fn give_up(&mut self, key: Key) {
        if let Some(place) = self.places.get_mut(&key) {
            place.waiting -= 1;
        }
    }

    /// A call has ended.
    pub(super) fn leave(&mut self, key: Key, now_ms: u64) {
        if let Some(place) = self.places.get_mut(&key) {
            place.users -= 1;
        }
        self.touch(key, now_ms);
    }

    /// It was used, and its base with it.
    fn touch(&mut self, key: Key, now_ms: u64) {
        let base = self.places.get(&key).and_then(|place| place.base);
        for key in [Some(key), base].into_iter().flatten() {
            if let Some(place) = self.places.get_mut(&key) {
                place.used_ms = now_ms;
            }
        }
    }

    /// It is to be loaded, whether or not it failed lately.
    pub(super) fn ask(&mut self, key: Key) {
        let ticket = self.ticket();
        let Some(place) = self.places.get_mut(&key) else { return };
        (place.rests_until_ms, place.leaving) = (0, false);
        let base = place.base;
        if place.state != State::Ready && !place.asked {
            if !place.is_wanted() {
                place.ticket = ticket;
            }
            place.asked = true;
        }
        if let Some(base) = base.and_then(|base| self.places.get_mut(&base)) {
            (base.rests_until_ms, base.leaving) = (0, false);
        }
    }

    /// It is to go when nobody uses it, and what is tuned of it too; from now on callers wait, and it is loaded again for
    /// those that do.
    pub(super) fn dismiss(&mut self, key: Key) {
        for key in self.family(key) {
            let Some(place) = self.places.get_mut(&key) else { continue };
            place.asked = false;
            place.leaving = !matches!(place.state, State::Out | State::Unloading);
            if place.state == State::Ready {
                place.state = State::Draining;
            }
        }
    }

    /// The model, and those that are tuned of it.
    pub(super) fn family(&self, key: Key) -> Vec<Key> {
        std::iter::once(key).chain(self.tuned(key).map(|(tuned, _)| tuned)).collect()
    }

    /// Those that are tuned of it.
    fn tuned(&self, base: Key) -> impl Iterator<Item = (Key, &Place)> {
        let own = self.places.get(&base).filter(|own| own.base.is_none());
        // There may be thousands of models, few of which are bases.
        let all = self.places.iter().take(if own.is_some() { usize::MAX } else { 0 });
        all.filter(move |(_, place)| place.base == Some(base)).map(|(key, place)| (*key, place))
    }

    /// Whether it stays in memory because it is pinned, or one that is tuned of it.
    pub(super) fn is_held(&self, key: Key) -> bool {
        self.places.get(&key).is_some_and(|place| place.pinned)
            || self.tuned(key).any(|(_, place)| place.pinned)
    }

    /// Whether what is pinned would fit in memory if this were pinned too.
    pub(super) fn can_pin(&self, key: Key) -> bool {
        let Some(own) = self.places.get(&key) else { return false };
        let stays = |other: Key| other != key && (own.base == Some(other) || self.is_held(other));
        let others = self.places.iter().filter(|(other, _)| stays(**other));
        let pinned: u64 = others.map(|(_, place)| place.bytes.max(place.wants.least)).sum();
        pinned + own.wants.least <= self.bytes_max
    }

    /// Pins it or not. What no longer leaves is open again to those that wait for it.
    pub(super) fn pin(&mut self, key: Key, pinned: bool) {
        if let Some(place) = self.places.get_mut(&key) {
            place.pinned = pinned;
            place.leaving &= !pinned;
        }
        // What was refused because of a pin may be tried again.
        self.places.values_mut().for_each(|place| place.rests_until_ms = 0);
    }

    /// Whether it is not tried now, because it failed or was refused a moment ago.
    pub(super) fn rests(&self, key: Key, now_ms: u64) -> bool {
        self.places.get(&key).is_some_and(|place| place.state == State::Out && now_ms < place.rests_until_ms)
    }

    /// It is in memory, and takes `bytes`, if they are more than what was set aside.
    pub(super) fn loaded(&mut self, key: Key, bytes: u64, (began_ms, now_ms): (u64, u64)) {
        let bytes_max = self.bytes_max;
        if let Some(place) = self.places.get_mut(&key) {
            place.state = if place.leaving { State::Draining } else { State::Ready };
            // What it took beyond its estimate, it will take again. Alone it is kept, even so.
            let more = bytes.saturating_sub(place.bytes);
            place.wants.least = place.wants.least.saturating_add(more).min(bytes_max);
            place.wants.most = place.wants.most.saturating_add(more).min(bytes_max);
            place.bytes = place.bytes.saturating_add(more).min(bytes_max);
            place.asked = false;
            place.load_ms = now_ms.saturating_sub(began_ms);
            (place.ready_ms, place.failures) = (now_ms, 0);
        }
        self.touch(key, now_ms);
    }

    /// It could not be loaded.
    pub(super) fn failed(&mut self, key: Key, now_ms: u64) {
        self.unask(key);
        if let Some(place) = self.places.get_mut(&key) {
            place.state = State::Out;
            (place.bytes, place.leaving) = (0, false);
            let rest = REST_MS_MIN.saturating_mul(1 << place.failures.min(16)).min(REST_MS_MAX);
            place.rests_until_ms = now_ms.saturating_add(rest);
            place.failures += 1;
        }
    }

    /// It is no longer to be loaded though nobody waits, nor what is tuned of it.
    fn unask(&mut self, key: Key) {
        for key in self.family(key) {
            if let Some(place) = self.places.get_mut(&key) {
                place.asked = false;
            }
        }
    }

    /// It is out of memory.
    pub(super) fn unloaded(&mut self, key: Key) {
        if let Some(place) = self.places.get_mut(&key) {
            place.state = State::Out;
            (place.bytes, place.leaving) = (0, false);
        }
    }

    const fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}

#[cfg(test)]
mod tests;
