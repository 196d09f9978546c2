//! What to do next: who comes in, and who makes way for it.

use super::{Key, Place, REST_MS_MIN, Refusal, Shelf, State, Step, Wants};

/// The memory that there is for a model that is to come in, in bytes.
struct Room {
    /// Nobody has it.
    free: u64,
    /// Nobody has it, or nobody uses what has it.
    available: u64,
    /// What it wants, and leaves for the adapters that it may be given.
    goal: u64,
    /// As much of that as it cannot do without.
    least: u64,
    /// What it leaves.
    beside: u64,
}

impl Shelf {
    /// What to do next. One load or unload at a time.
    pub(in super::super) fn next(&mut self, now_ms: u64) -> Step {
        let busy = |place: &Place| matches!(place.state, State::Loading | State::Unloading);
        if self.places.values().any(busy) {
            return Step::Rest(None);
        }
        let leaving = self.places.iter().find(|(key, place)| place.leaving && self.is_idle(**key));
        if let Some((key, _)) = leaving {
            return self.unload(*key);
        }
        let line = self.line(now_ms);
        if let Some((key, why)) = line.iter().find_map(|key| Some((*key, self.refusal(*key)?))) {
            self.unask(key);
            if let Some(place) = self.places.get_mut(&key) {
                place.rests_until_ms = now_ms.saturating_add(REST_MS_MIN);
            }
            return Step::Refuse(key, why);
        }
        match line.split_first() {
            Some((first, others)) => self.make_way(*first, others, now_ms),
            None => self.tidy(now_ms),
        }
    }

    /// Those that are wanted and may come in, or open again, by their tickets. A base comes in for its tuned models.
    fn line(&self, now_ms: u64) -> Vec<Key> {
        let may = |place: &Place| match place.state {
            State::Out => now_ms >= place.rests_until_ms,
            State::Draining => !place.leaving,
            _ => false,
        };
        let wanted = self.places.iter().filter(|(_, place)| may(place) && place.is_wanted());
        let mut line: Vec<_> = wanted
            .filter_map(|(key, place)| match place.base {
                None => Some((place.ticket, *key)),
                Some(base) => match self.places.get(&base)? {
                    there if there.state == State::Ready => Some((place.ticket, *key)),
                    there => may(there).then_some((place.ticket, base)),
                },
            })
            .collect();
        line.sort_unstable();
        line.into_iter().map(|(_, key)| key).collect()
    }

    /// Nobody waits: what was closed opens again, and what was not used for long goes.
    fn tidy(&mut self, now_ms: u64) -> Step {
        let closed = |place: &&mut Place| place.state == State::Draining && !place.leaving;
        self.places.values_mut().filter(closed).for_each(|place| place.state = State::Ready);
        if self.held_bytes() > self.bytes_max
            && let Some(key) = self.idle([None; 2]).into_iter().next()
        {
            return self.unload(key);
        }
        let mut wake = None::<u64>;
        for key in self.idle([None; 2]) {
            let Some(place) = self.places.get(&key) else { continue };
            let Some(idle_ms) = place.idle_ms else { continue };
            let end = place.used_ms.saturating_add(idle_ms);
            if end <= now_ms {
                return self.unload(key);
            }
            wake = Some(wake.map_or(end, |wake| wake.min(end)));
        }
        Step::Rest(wake)
    }

    /// Whether nobody uses it, nor what is tuned of it.
    fn is_idle(&self, key: Key) -> bool {
        self.places.get(&key).is_some_and(Place::is_idle)
            && self.tuned(key).all(|(_, tuned)| tuned.state == State::Out || tuned.is_idle())
    }

    /// What nobody uses and nobody pinned, by the time of last use; not the bases of what is to come in.
    fn idle(&self, bases: [Option<Key>; 2]) -> Vec<Key> {
        let goes = |key: Key| !bases.contains(&Some(key)) && self.is_idle(key) && !self.is_held(key);
        let idle = self.places.iter().filter(|(key, _)| goes(**key));
        let mut keys: Vec<_> = idle.map(|(key, place)| (place.used_ms, *key)).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// What no other model can be sent away for: what is pinned, and the base of a tuned model.
    fn stays_bytes(&self, key: Key, base: Option<Key>) -> u64 {
        let stays = |other: Key| other != key && (Some(other) == base || self.is_held(other));
        self.places.iter().filter(|(other, _)| stays(**other)).map(|(_, place)| place.bytes).sum()
    }

    /// Why the model cannot come in, whoever makes way for it.
    fn refusal(&self, key: Key) -> Option<Refusal> {
        let place = self.places.get(&key).filter(|place| place.state == State::Out)?;
        let base_bytes = place.base.and_then(|base| self.places.get(&base)).map_or(0, |base| base.bytes);
        let least = place.wants.least.saturating_add(base_bytes);
        if least > self.bytes_max {
            return Some(Refusal::TooLarge);
        }
        let stays = self.stays_bytes(key, place.base);
        (place.wants.least > self.bytes_max.saturating_sub(stays)).then_some(Refusal::Pinned)
    }

    fn room(&self, key: Key, place: &Place, bases: [Option<Key>; 2]) -> Room {
        let held = self.held_bytes();
        let free = self.bytes_max.saturating_sub(held);
        let idle = self.idle(bases);
        let idle_bytes: u64 = idle.iter().filter_map(|idle| Some(self.places.get(idle)?.bytes)).sum();
        let available = self.bytes_max.saturating_sub(held.saturating_sub(idle_bytes));
        let Wants { least, most } = place.wants;
        // Room for all of its adapters, or else for the largest that can be.
        let left = self.bytes_max.saturating_sub(self.stays_bytes(key, place.base)).saturating_sub(least);
        let adapters = || self.tuned(key).map(|(_, tuned)| tuned.wants.least);
        let all: u64 = adapters().sum();
        let beside = if all <= left { all } else { adapters().filter(|one| *one <= left).max().unwrap_or(0) };
        let (least, most) = (least.saturating_add(beside), most.saturating_add(beside));
        Room { free, available, goal: if available >= most { most } else { least }, least, beside }
    }

    /// Brings the first in, or the next thing that must happen before; meanwhile what is in nobody's way.
    fn make_way(&mut self, first: Key, others: &[Key], now_ms: u64) -> Step {
        let Some(place) = self.places.get_mut(&first) else { return Step::Rest(None) };
        if place.state == State::Draining {
            // Whoever it made way for has gone.
            (place.state, place.asked) = (State::Ready, false);
            return Step::Open(first);
        }
        let (bases, place) = ([place.base, None], place.clone());
        let room = self.room(first, &place, bases);
        let comes = room.available >= room.goal;
        let victims = if comes {
            self.fewest_idle(bases, room.goal.saturating_sub(room.free))
        } else {
            self.victims(place.base, room.least.saturating_sub(room.free))
        };
        if let Some(key) = self.reopen(&victims) {
            return Step::Open(key);
        }
        if comes {
            return self.take(first, &room, &victims, u64::MAX);
        }
        let coming: u64 = victims.iter().filter_map(|key| Some(self.places.get(key)?.bytes)).sum();
        let spare = room.free.saturating_add(coming).saturating_sub(room.least);
        for key in others {
            let Some(other) = self.places.get(key).filter(|other| other.state == State::Out) else {
                continue;
            };
            let (bases, least) = ([place.base, other.base], other.wants.least);
            let own = self.room(*key, other, bases);
            if least <= own.available.min(spare) {
                let idle = self.fewest_idle(bases, least.saturating_sub(own.free));
                return self.take(*key, &Room { goal: least, beside: 0, ..own }, &idle, spare);
            }
        }
        self.close(&victims, now_ms)
    }

    /// Loads the model into what is free, at most so much; or first unloads the first of those that nobody uses.
    fn take(&mut self, key: Key, room: &Room, idle: &[Key], bytes_max: u64) -> Step {
        if room.free < room.goal {
            return idle.first().map_or(Step::Rest(None), |idle| self.unload(*idle));
        }
        let Some(place) = self.places.get_mut(&key) else { return Step::Rest(None) };
        place.state = State::Loading;
        place.bytes = room.free.saturating_sub(room.beside).min(place.wants.most).min(bytes_max);
        Step::Load(key, place.bytes)
    }

    /// Of what nobody uses, that which makes `bytes` free.
    fn fewest_idle(&self, bases: [Option<Key>; 2], bytes: u64) -> Vec<Key> {
        let idle = self.idle(bases).into_iter();
        fewest(idle.filter_map(|key| Some((key, self.places.get(&key)?.bytes))).collect(), bytes)
    }

    /// Who must go so that `bytes` come free besides what is free now: what nobody uses first, then those that are closed
    /// already, then those that came in first. Nobody whose going would not help.
    fn victims(&self, base: Option<Key>, bytes: u64) -> Vec<Key> {
        let goes = |key: Key, place: &Place| place.is_in() && Some(key) != base && !self.is_held(key);
        let all = self.places.iter().filter(|(key, place)| goes(**key, place));
        let mut all: Vec<_> = all
            .map(|(key, place)| {
                let order = (!self.is_idle(*key), place.state == State::Ready, place.ready_ms);
                (order, *key, place.bytes)
            })
            .collect();
        all.sort_unstable();
        fewest(all.into_iter().map(|(_, key, own)| (key, own)).collect(), bytes)
    }

    /// Opens what is closed and in nobody's way any more; the first for which calls wait.
    fn reopen(&mut self, victims: &[Key]) -> Option<Key> {
        let closed = |place: &Place| place.state == State::Draining && !place.leaving;
        let all = self.places.iter().filter(|(key, place)| closed(place) && !victims.contains(key));
        let all: Vec<Key> = all.map(|(key, _)| *key).collect();
        for key in all {
            let base = self.places.get(&key).and_then(|place| place.base);
            let is_open = |base: Key| self.places.get(&base).is_some_and(|base| base.state == State::Ready);
            if !base.is_none_or(is_open) {
                continue;
            }
            let Some(place) = self.places.get_mut(&key) else { continue };
            place.state = State::Ready;
            if place.is_wanted() {
                place.asked = false;
                return Some(key);
            }
        }
        None
    }

    /// Closes models that are in use, each when its turn is over, and with it what is tuned of it.
    fn close(&mut self, victims: &[Key], now_ms: u64) -> Step {
        let mut wake = None::<u64>;
        for key in victims {
            let Some(place) = self.places.get(key).filter(|_| !self.is_idle(*key)) else { continue };
            let end = place.turn_ends_ms();
            if end > now_ms {
                if place.state == State::Ready {
                    wake = Some(wake.map_or(end, |wake| wake.min(end)));
                }
                continue;
            }
            for key in self.family(*key) {
                if let Some(place) = self.places.get_mut(&key).filter(|place| place.state == State::Ready) {
                    place.state = State::Draining;
                }
            }
        }
        Step::Rest(wake)
    }

    /// What is tuned of it goes first.
    fn unload(&mut self, key: Key) -> Step {
        let key = self.tuned(key).find(|(_, tuned)| tuned.is_in()).map_or(key, |(tuned, _)| tuned);
        if let Some(place) = self.places.get_mut(&key) {
            place.state = State::Unloading;
        }
        Step::Unload(key)
    }
}

/// The first of these whose bytes suffice together, without those that the others can do without.
fn fewest(mut all: Vec<(Key, u64)>, bytes: u64) -> Vec<Key> {
    let mut sum = 0_u64;
    let enough = all.iter().position(|(_, own)| {
        sum = sum.saturating_add(*own);
        sum >= bytes
    });
    all.truncate(enough.map_or(all.len(), |last| last + 1));
    all.retain(|(_, own)| {
        let spared = sum.saturating_sub(*own) >= bytes;
        sum -= if spared { *own } else { 0 };
        !spared
    });
    all.into_iter().map(|(key, _)| key).collect()
}
