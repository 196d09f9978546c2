use std::collections::BTreeMap;

use canon::Sampling;
use proptest::prelude::*;

use super::{Random, Sampler};

fn sampling(temperature: f32) -> Sampling {
    Sampling { temperature: Some(temperature), seed: Some(1), ..Sampling::default() }
}

/// How often each token is chosen in `draws` positions of the same logits.
fn draw(sampling: &Sampling, logits: &[f32], draws: usize) -> BTreeMap<u32, usize> {
    let mut sampler = Sampler::new(sampling, 0);
    let mut counts = BTreeMap::new();
    for _ in 0..draws {
        *counts.entry(sampler.choose(logits).unwrap()).or_default() += 1;
    }
    counts
}

/// The first numbers of xoshiro256++ seeded with `SplitMix64` from 0, as the `rand_xoshiro` crate gives them.
#[test]
fn the_course_of_random_numbers_is_the_published_one() {
    let mut random = Random::seeded(0);
    let first: [u64; 3] = std::array::from_fn(|_| random.bits());
    assert_eq!(first, [5_987_356_902_031_041_503, 7_051_070_477_665_621_255, 6_633_766_593_972_829_180]);
}

#[test]
fn at_temperature_zero_the_likeliest_token_is_chosen_and_of_equals_the_first() {
    assert_eq!(draw(&sampling(0.0), &[0.0, 3.0, 3.0, f32::NAN], 9), BTreeMap::from([(1, 9)]));
}

#[test]
fn tokens_are_chosen_as_often_as_their_probabilities_say() {
    let logits: Vec<f32> = [0.5_f32, 0.3, 0.15, 0.05].iter().map(|p| p.ln()).collect();
    for (temperature, expected) in [(1.0, [0.5, 0.3, 0.15, 0.05]), (0.5, [0.685, 0.247, 0.062, 0.007])] {
        let counts = draw(&sampling(temperature), &logits, 20_000);
        for (token, expected) in (0..).zip(expected) {
            let share = counts.get(&token).copied().unwrap_or(0) as f64 / 20_000.0;
            assert!((share - expected).abs() < 0.02, "{token}: {share} for {expected}");
        }
    }
}

#[test]
fn top_k_and_top_p_keep_the_likeliest_alone() {
    let logits: Vec<f32> = [0.15_f32, 0.5, 0.05, 0.3].iter().map(|p| p.ln()).collect();
    for (top_k, top_p, kept) in [
        (Some(2), None, vec![1, 3]),
        (None, Some(0.7), vec![1, 3]),
        (None, Some(0.85), vec![0, 1, 3]),
        (None, Some(0.0), vec![1]),
        (Some(0), Some(1.0), vec![0, 1, 2, 3]),
        (Some(99), Some(0.4), vec![1]),
    ] {
        let sampling = Sampling { top_k, top_p, ..sampling(1.0) };
        let chosen: Vec<u32> = draw(&sampling, &logits, 3000).into_keys().collect();
        assert_eq!(chosen, kept, "top_k {top_k:?}, top_p {top_p:?}");
    }
}

#[test]
fn a_nucleus_wider_than_the_first_look_is_found() {
    let logits = vec![0.0_f32; 5000];
    let sampling = Sampling { top_p: Some(0.5), ..sampling(1.0) };
    let highest = draw(&sampling, &logits, 20_000).into_keys().next_back().unwrap();
    assert!((2400..2501).contains(&highest), "half of the tokens, the first of equals: {highest}");
}

#[test]
fn penalties_lower_what_was_said_by_how_often() {
    let said = [1, 1, 2];
    let sampling = Sampling { presence_penalty: Some(0.5), frequency_penalty: Some(0.25), ..sampling(0.0) };
    let mut sampler = Sampler::new(&sampling, 0);
    for token in said {
        sampler.accept(token);
    }
    let mut logits = [1.0; 4];
    sampler.penalise(&mut logits);
    assert_eq!(logits, [1.0, 0.0, 0.25, 1.0]);
}

#[test]
fn where_no_token_is_possible_none_is_chosen() {
    for logits in [&[][..], &[f32::NEG_INFINITY; 3], &[f32::NAN; 3]] {
        assert_eq!(Sampler::new(&sampling(1.0), 0).choose(logits), None);
    }
    assert_eq!(Sampler::new(&sampling(1.0), 0).choose(&[f32::NAN, f32::INFINITY, 0.0]), Some(1));
}

proptest! {
    #[test]
    fn a_seed_gives_the_same_tokens_and_never_an_impossible_one(
        logits in prop::collection::vec(prop_oneof![4 => -30.0_f32..30.0, 1 => Just(f32::NEG_INFINITY)], 1..300),
        seed: u64,
        temperature in 0.0_f32..3.0,
        top_p in 0.0_f32..1.1,
        top_k in 0_u32..9,
    ) {
        let sampling = Sampling {
            temperature: Some(temperature),
            top_p: Some(top_p),
            top_k: Some(top_k),
            seed: Some(seed),
            ..Sampling::default()
        };
        let course = |entropy| {
            let mut sampler = Sampler::new(&sampling, entropy);
            (0..20).map(|_| sampler.choose(&logits)).collect::<Vec<_>>()
        };
        let tokens = course(1);
        prop_assert_eq!(&tokens, &course(2));
        for token in tokens.into_iter().flatten() {
            prop_assert!(logits[token as usize] > f32::NEG_INFINITY);
        }
    }
}
