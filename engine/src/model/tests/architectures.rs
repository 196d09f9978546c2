//! Small models of every architecture, as llama.cpp's converter writes them, beside what transformers computes for them.
//! `tests/golden/architectures.py` says how the golden file was made.

use half::f16;
use serde_json::Value as Json;

use super::super::plain::Plain;
use super::{Bench, error, read};
use crate::gguf::TensorType;
use crate::gguf::sample::{Sample, Value};

/// 32-bit sums in another order, against 64-bit ones.
const TRANSFORMERS_ERROR_MAX: f64 = 1e-5;
/// Keys and values of sixteen bits.
const ENGINE_ERROR_MAX: f64 = 4e-3;
/// Activations of eight bits besides.
const ENGINE_QUANTISED_ERROR_MAX: f64 = 6e-2;

/// 64 bits for each place of a tensor: splitmix64, seeded by the FNV-1a hash of the tensor's name.
fn bits(name: &str, count: usize) -> impl Iterator<Item = u64> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |seed, byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (1..=count as u64).map(move |at| {
        let x = at.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    })
}

/// Numbers of a tensor: norms around one, everything else around zero.
fn numbers(name: &str, count: usize) -> Vec<f32> {
    let unit = bits(name, count).map(|bits| (bits >> 40) as f32 / (1u32 << 23) as f32 - 1.0);
    unit.map(|unit| if name.contains("norm") { 1.0 + unit / 2.0 } else { unit / 4.0 }).collect()
}

/// Blocks of `Q8_0`.
fn blocks(name: &str, count: usize) -> Vec<u8> {
    let noise: Vec<u64> = bits(name, count).collect();
    let block = |noise: &[u64]| {
        let scale = f16::from_f32(((noise[0] >> 60) as f32 + 16.0) / 16384.0);
        let quants = noise.iter().map(|noise| (noise >> 48) as u8);
        scale.to_le_bytes().into_iter().chain(quants).collect::<Vec<u8>>()
    };
    noise.chunks_exact(32).flat_map(block).collect()
}

fn value(json: &Json) -> Value {
    match json {
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) if number.is_f64() => Value::F32(number.as_f64().unwrap() as f32),
        Json::Number(number) => Value::U32(number.as_u64().unwrap() as u32),
        other => panic!("{other} is no value of metadata here"),
    }
}

fn list<T>(json: &Json, one: impl Fn(&Json) -> T) -> Vec<T> {
    json.as_array().unwrap().iter().map(one).collect()
}

/// The file that an entry describes.
fn sample(entry: &Json) -> Sample {
    let mut sample = Sample::default();
    for (key, json) in entry["keys"].as_object().unwrap() {
        sample = sample.key(key, value(json));
    }
    for (name, shape) in entry["shapes"].as_object().unwrap() {
        let mut shape = list(shape, |len| len.as_u64().unwrap());
        shape.reverse();
        let count = shape.iter().product::<u64>() as usize;
        sample = if entry["quantised"] == true && shape.len() == 2 {
            sample.tensor(name, TensorType::Q8_0, &shape, blocks(name, count))
        } else {
            sample.f32s(name, &shape, &numbers(name, count))
        };
    }
    for (name, given) in entry["given"].as_object().unwrap() {
        let given = list(given, |number| number.as_f64().unwrap() as f32);
        sample = sample.f32s(name, &[given.len() as u64], &given);
    }
    sample
}

/// Calls `check` with each entry's name, file, tokens and what was golden: positions, and the logits after them.
fn each(check: impl Fn(&Json, Sample, &[u32])) {
    let golden: Json =
        serde_json::from_str(include_str!("../../../tests/golden/architectures.json")).unwrap();
    for entry in golden.as_array().unwrap() {
        let sample = sample(entry);
        let vocabulary =
            sample.tensors.iter().find(|tensor| tensor.name == "token_embd.weight").unwrap().shape[1];
        let count = entry["tokens"].as_u64().unwrap();
        let tokens: Vec<u32> =
            (0..count).map(|at| ((at * at * 7 + at * 31 + 5) % vocabulary) as u32).collect();
        check(entry, sample, &tokens);
    }
}

#[test]
fn every_architecture_is_that_of_transformers() {
    each(|entry, sample, tokens| {
        let found = Plain::new(&read(&sample)).logits(tokens);
        let positions = list(&entry["positions"], |at| at.as_u64().unwrap() as usize);
        for (position, expected) in positions.into_iter().zip(list(&entry["logits"], Json::clone)) {
            let expected = list(&expected, |logit| logit.as_f64().unwrap());
            let found: Vec<f32> = found[position].iter().map(|logit| *logit as f32).collect();
            let (_, worst) = error(&found, &expected);
            assert!(worst < TRANSFORMERS_ERROR_MAX, "{}, position {position}: {worst}", entry["name"]);
        }
    });
}

#[test]
fn every_architecture_is_computed_as_the_plain_model_computes_it() {
    each(|entry, sample, tokens| {
        let gguf = read(&sample);
        let expected = Plain::new(&gguf).logits(tokens);
        let mut bench = Bench::new(&gguf);
        let crowd = [tokens.to_vec(), tokens[..40].to_vec()];
        let found = bench.logits(&crowd, 7);
        assert_eq!(found[0], bench.logits(&crowd[..1], 256)[0], "{} alone", entry["name"]);
        assert_eq!(found[0][..40], found[1], "{} beside itself", entry["name"]);
        let bound = if entry["quantised"] == true { ENGINE_QUANTISED_ERROR_MAX } else { ENGINE_ERROR_MAX };
        let errors = found[0].iter().zip(&expected).map(|(found, expected)| error(found, expected).0);
        let worst = errors.fold(0.0, f64::max);
        eprintln!("{}: error at most {worst:.5} of the spread, {bound} allowed", entry["name"]);
        assert!(worst < bound, "{}: {worst}", entry["name"]);
    });
}
