use std::f64::consts::TAU;

use proptest::prelude::*;

use crate::kernels::{
    Attention, Cache, Floats, Geometry, Isa, Kernels, KvType, PAGE_TOKENS, Place, Places, Step, Turning,
    Turns,
};
use crate::sample_weights::Noise;

/// A layer, and a sequence in it.
#[derive(Clone, Debug)]
struct Case {
    /// Heads of keys, and heads of queries for each.
    heads: (usize, usize),
    head_len: usize,
    tokens: usize,
    softcap: Option<f32>,
    window: Option<usize>,
    norms: bool,
    turning: Option<Turning>,
    /// Numbers of a head that turn.
    turned: usize,
    /// Every row sees the whole sequence.
    both_ways: bool,
    kv: KvType,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let turning = prop::sample::select(vec![None, Some(Turning::Neighbours), Some(Turning::Halves)]);
    let sizes = ((1usize..4, 1usize..9), 1usize..17, 1usize..140, 0.0f64..1.0);
    let options = (prop::option::of(1f32..50.0), prop::option::of(1usize..150), any::<bool>(), any::<bool>());
    let kv = prop::sample::select(vec![KvType::F16, KvType::Int8]);
    (sizes, options, turning, kv, any::<u64>()).prop_map(|(sizes, options, turning, kv, seed)| {
        let (heads, sixteens, tokens, part) = sizes;
        let (softcap, window, norms, both_ways) = options;
        let head_len = sixteens * 16;
        let turned = (part * head_len as f64) as usize / 2 * 2;
        Case { heads, head_len, tokens, softcap, window, norms, turning, turned, both_ways, kv, seed }
    })
}

/// What a case has before anything is computed.
struct Given {
    queries: Floats,
    keys: Floats,
    values: Floats,
    query_norm: Vec<f32>,
    key_norm: Vec<f32>,
    turns: Vec<Turns>,
}

const EPSILON: f32 = 1e-5;

impl Case {
    fn given(&self) -> Given {
        let mut noise = Noise::new(self.seed);
        let mut floats = |len: usize| Floats {
            data: (0..self.tokens).flat_map(|_| noise.floats(len)).collect::<Vec<_>>().into(),
            len,
        };
        let keys = self.heads.0 * self.head_len;
        let (queries, keys, values) = (floats(keys * self.heads.1), floats(keys), floats(keys));
        let angle = |position: usize, pair: usize| {
            let (sin, cos) = (position as f64 * TAU / (pair + 3) as f64).sin_cos();
            (cos as f32, sin as f32)
        };
        let angles = |position| (0..self.turned / 2).map(move |pair| angle(position, pair));
        let of = |turning| Turns { turning, angles: (0..self.tokens).flat_map(angles).collect() };
        let turns = vec![of(Turning::Neighbours), of(Turning::Halves)];
        Given {
            queries,
            keys,
            values,
            query_norm: noise.floats(self.head_len),
            key_norm: noise.floats(self.head_len),
            turns,
        }
    }

    fn attention<'a>(&self, given: &'a Given) -> Attention<'a> {
        Attention {
            softcap: self.softcap,
            window: self.window,
            query_norm: self.norms.then_some((&given.query_norm, EPSILON)),
            key_norm: self.norms.then_some((&given.key_norm, EPSILON)),
            turns: self.turning.map(|turning| usize::from(turning == Turning::Halves)),
            ..Attention::plain(1, self.head_len)
        }
    }

    /// Computes the sequence in steps of at most `rows`.
    fn attend(&self, given: &Given, isa: Isa, rows: usize) -> Vec<f32> {
        let geometry = Geometry { layers: 2, heads: self.heads.0, head_len: self.head_len, kv: self.kv };
        let (mut cache, mut kernels) = (Cache::new(geometry), Kernels::new(2, isa).unwrap());
        let pages: Vec<u32> = (0..self.tokens.div_ceil(PAGE_TOKENS) as u32).rev().collect();
        pages.iter().for_each(|page| cache.provide(*page));
        let attention = self.attention(given);
        let mut all = Vec::new();
        for start in (0..self.tokens).step_by(rows) {
            let range = start..self.tokens.min(start + rows);
            let some = |floats: &Floats| Floats {
                data: floats.data[range.start * floats.len..range.end * floats.len].into(),
                len: floats.len,
            };
            let place = |at: usize| Place { page: pages[at / PAGE_TOKENS], slot: (at % PAGE_TOKENS) as u32 };
            let turns = given.turns.iter().map(|turns| {
                let pairs = self.turned / 2;
                let angles = turns.angles[range.start * pairs..range.end * pairs].to_vec();
                Turns { turning: turns.turning, angles }
            });
            let positions = range.clone().map(|at| if self.both_ways { self.tokens - 1 } else { at });
            let mut step = Step::new(
                &mut cache,
                Places::new(range.clone().map(place).collect()),
                (positions.collect(), vec![0; range.len()]),
                vec![&pages],
                turns.collect(),
            );
            let (keys, values) = (some(&given.keys), some(&given.values));
            // Kept at once, or by the rows that attend.
            let pairs = (start % 2 == 0).then_some((&keys, &values));
            if pairs.is_none() {
                kernels.remember(&attention, &step, (&keys, &values));
            }
            let mut out = Floats::new(given.queries.len);
            out.resize(range.len());
            let queries = some(&given.queries);
            kernels.attend(&attention, &mut step, (&queries, pairs, &mut out));
            // As the next layer does.
            let mut again = Floats::new(out.len);
            again.resize(range.len());
            kernels.attend(&attention, &mut step, (&queries, None, &mut again));
            assert_eq!(*out.data, *again.data, "by the same plan");
            all.extend_from_slice(&out.data);
        }
        all
    }

    /// A head of a row, normalised and turned, in plain 64-bit floats.
    fn prepared(&self, head: &[f32], norm: &[f32], position: usize) -> Vec<f64> {
        let mut head: Vec<f64> = head.iter().map(|x| f64::from(*x)).collect();
        if self.norms {
            let square = head.iter().map(|x| x * x).sum::<f64>() / head.len() as f64;
            let root = (square + f64::from(EPSILON)).sqrt();
            head.iter_mut().zip(norm).for_each(|(x, weight)| *x = *x / root * f64::from(*weight));
        }
        for pair in 0..self.turned / 2 {
            let (i, j) = match self.turning {
                None => break,
                Some(Turning::Neighbours) => (2 * pair, 2 * pair + 1),
                Some(Turning::Halves) => (pair, pair + self.turned / 2),
            };
            let (sin, cos) = (position as f64 * TAU / (pair + 3) as f64).sin_cos();
            (head[i], head[j]) = (head[i] * cos - head[j] * sin, head[i] * sin + head[j] * cos);
        }
        head
    }

    /// The keys of a head, row by row, in plain 64-bit floats.
    fn keys(&self, given: &Given, head: usize) -> Vec<Vec<f64>> {
        let key = |row: usize| &given.keys.row(row)[head * self.head_len..][..self.head_len];
        (0..self.tokens).map(|row| self.prepared(key(row), &given.key_norm, row)).collect()
    }

    /// One head of one row, by the textbook, from the keys of the head of keys.
    fn expected(&self, given: &Given, keys: &[Vec<f64>], (row, head): (usize, usize)) -> Vec<f64> {
        let len = self.head_len;
        let query = &given.queries.row(row)[head * len..][..len];
        let query = self.prepared(query, &given.query_norm, row);
        let shared = head / self.heads.1;
        let last = if self.both_ways { self.tokens - 1 } else { row };
        let sight = (last + 1).saturating_sub(self.window.unwrap_or(last + 1))..=last;
        let score = |at: usize| {
            let score = query.iter().zip(&keys[at]).map(|(q, k)| q * k).sum::<f64>() / (len as f64).sqrt();
            self.softcap.map(f64::from).map_or(score, |cap| cap * (score / cap).tanh())
        };
        let weights: Vec<f64> = sight.clone().map(|at| score(at).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut sums = vec![0.0; len];
        for (at, weight) in sight.zip(weights) {
            let value = &given.values.row(at)[shared * len..][..len];
            sums.iter_mut().zip(value).for_each(|(sum, v)| *sum += weight / total * f64::from(*v));
        }
        sums
    }

    fn check(&self) {
        let given = self.given();
        // Rows that see what follows them come in one step with it.
        let steps: &[usize] = if self.both_ways { &[600] } else { &[1, 3, 47, 600] };
        let reference = self.attend(&given, Isa::available().last().unwrap(), steps[0]);
        for isa in Isa::available() {
            for rows in steps {
                let found = self.attend(&given, isa, *rows);
                assert!(found == reference, "other bits on {} in steps of {rows}", isa.name());
            }
        }
        // The cache keeps eleven bits of keys and values, or eight; a score errs by what its key does.
        let tolerance = if self.kv == KvType::F16 { 4e-3 } else { 6e-2 };
        for head in 0..self.heads.0 * self.heads.1 {
            let keys = self.keys(&given, head / self.heads.1);
            for row in 0..self.tokens {
                let found = &reference[row * given.queries.len + head * self.head_len..][..self.head_len];
                for (found, expected) in found.iter().zip(self.expected(&given, &keys, (row, head))) {
                    let difference = (f64::from(*found) - expected).abs();
                    assert!(difference < tolerance, "row {row}: {found} for {expected}");
                }
            }
        }
    }
}

/// A sequence of three segments, which threads share, and a window that begins within one.
#[test]
fn a_long_sequence_is_the_same_whoever_shares_it() {
    for (window, softcap, kv) in
        [(None, None, KvType::F16), (Some(300), Some(20.0), KvType::F16), (Some(300), None, KvType::Int8)]
    {
        let (heads, turning) = ((1, 3), Some(Turning::Halves));
        let case = Case {
            heads,
            head_len: 32,
            tokens: 600,
            softcap,
            window,
            norms: false,
            turning,
            turned: 32,
            both_ways: false,
            kv,
            seed: 5,
        };
        case.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn attention_is_that_of_the_textbook_however_it_is_computed(case in case()) {
        case.check();
    }
}
