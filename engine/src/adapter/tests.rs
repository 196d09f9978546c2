use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Adapter;
use super::sample::{adapters, peft, shape};
use crate::gguf::sample::{Sample as GgufSample, Value as Key};
use crate::gguf::{Gguf, TensorType};
use crate::hub::sample::{Bench, error, golden, numbers, write};
use crate::model::Config;
use crate::sample_model::tiny;
use crate::sample_weights::Noise;

/// The folder that an adapter is for, opened.
fn base(name: &str) -> Gguf {
    let golden = golden();
    let entry = golden["folders"].as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap();
    Gguf::open(write(&golden, entry, |_| ()).path()).unwrap()
}

fn tokens(vocabulary: u32) -> Vec<u32> {
    (0..40).map(|at| (at * at * 7 + at * 31 + 5) % vocabulary).collect()
}

fn open(path: &Path, gguf: &Gguf, number: u32) -> Arc<Adapter> {
    Arc::new(Adapter::open(path, &Config::read(gguf).unwrap(), number).unwrap())
}

#[test]
fn an_adapters_logits_are_those_of_peft() {
    for entry in adapters() {
        let gguf = base(entry["folder"].as_str().unwrap());
        let adapter = open(peft(&entry, |_| ()).path(), &gguf, 1);
        assert!(adapter.bytes() > 0);
        let mut bench = Bench::new(&gguf);
        let tokens = tokens(bench.vocabulary() as u32);
        let plain = bench.logits(&[(tokens.clone(), None)], 16).remove(0);
        let found = bench.logits(&[(tokens, Some(adapter))], 16).remove(0);
        for (position, expected) in [11, 39].into_iter().zip(entry["logits"].as_array().unwrap()) {
            let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
            let error_of = |logits: &[Vec<f32>]| error(&logits[position], &expected);
            let name = (&entry["folder"], &entry["name"], position);
            assert!(error_of(&found) < 1e-2, "{name:?}: {} of the spread", error_of(&found));
            assert!(error_of(&plain) > 0.1, "{name:?}: the base model says the same");
        }
    }
}

#[test]
fn rows_of_many_adapters_in_one_batch_are_as_each_alone() {
    for folder in ["llama 2", "qwen 2"] {
        let gguf = base(folder);
        let entries: Vec<Value> = adapters().into_iter().filter(|entry| entry["folder"] == folder).collect();
        let load =
            |(at, entry): (usize, &Value)| Some(open(peft(entry, |_| ()).path(), &gguf, at as u32 + 1));
        let mut loaded: Vec<Option<Arc<Adapter>>> = entries.iter().enumerate().map(load).collect();
        loaded.push(None);
        let mut bench = Bench::new(&gguf);
        let all = tokens(bench.vocabulary() as u32);
        let crowd: Vec<_> =
            (0..9).map(|at| (all[at..30 + at].to_vec(), loaded[at % loaded.len()].clone())).collect();
        let alone: Vec<_> =
            crowd.iter().map(|one| bench.logits(std::slice::from_ref(one), 1).remove(0)).collect();
        for step in [9, 50, 512] {
            assert_eq!(bench.logits(&crowd, step), alone, "{folder}, steps of {step}");
        }
        // Rows without an adapter are what they are where nobody has one.
        let plain: Vec<_> = crowd.iter().filter(|(_, adapter)| adapter.is_none()).cloned().collect();
        let among = alone.iter().zip(&crowd).filter(|(_, (_, adapter))| adapter.is_none());
        let among: Vec<_> = among.map(|(logits, _)| logits.clone()).collect();
        assert_eq!(bench.logits(&plain, 64), among);
    }
}

/// A PEFT adapter as llama.cpp's converter writes it; the rows of queries and keys are permuted as it permutes them.
fn converted(entry: &Value, heads: (usize, usize), architecture: &str, alpha: f32) -> GgufSample {
    let mut sample = GgufSample::default()
        .text("general.type", "adapter")
        .text("general.architecture", architecture)
        .text("adapter.type", "lora")
        .key("adapter.lora.alpha", Key::F32(alpha));
    for (name, said) in entry["shapes"].as_object().unwrap() {
        let said = shape(said);
        let mut numbers =
            numbers(&format!("{} {name}", entry["name"].as_str().unwrap()), said.iter().product());
        let (module, which) = name.strip_prefix("base_model.model.").unwrap().split_once(".lora_").unwrap();
        let matrix = crate::hub::module(module).unwrap();
        let of = if matrix.ends_with("attn_q") { heads.0 } else { heads.1 };
        if which.starts_with('B')
            && (matrix.ends_with("attn_q") || matrix.ends_with("attn_k"))
            && architecture == "llama"
        {
            // LlamaModel.permute: reshape(heads, 2, half, rank).swapaxes(1, 2).
            let (rank, half) = (said[1], said[0] / of / 2);
            let row = |head: usize, at: usize| (head * 2 * half + at % 2 * half + at / 2) * rank;
            let rows = (0..of).flat_map(|head| (0..2 * half).map(move |at| (head, at)));
            numbers = rows.flat_map(|(head, at)| numbers[row(head, at)..][..rank].to_vec()).collect();
        }
        let ours = if which.starts_with('A') { "a" } else { "b" };
        let name = format!("{matrix}.weight.lora_{ours}");
        sample = sample.f32s(&name, &[said[1] as u64, said[0] as u64], &numbers);
    }
    sample
}

#[test]
fn an_adapter_in_gguf_is_the_one_that_it_was_made_of() {
    for entry in adapters().iter().filter(|entry| entry["name"] == "attention") {
        let gguf = base(entry["folder"].as_str().unwrap());
        let architecture = gguf.metadata().string("general.architecture").unwrap().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), converted(entry, (4, 2), architecture, 8.0).bytes()).unwrap();
        let mut bench = Bench::new(&gguf);
        let mut logits = |path: &Path| {
            let adapter = open(path, &gguf, 1);
            bench.logits(&[(tokens(300), Some(adapter))], 64).remove(0)
        };
        assert_eq!(logits(file.path()), logits(peft(entry, |_| ()).path()), "{}", entry["folder"]);
    }
}

/// An adapter over the gates of a small quantised model.
fn over_gates(gguf: &Gguf, number: u32) -> Arc<Adapter> {
    let mut noise = Noise::new(number.into());
    let mut sample = GgufSample::default()
        .text("general.type", "adapter")
        .text("general.architecture", "llama")
        .text("adapter.type", "lora")
        .key("adapter.lora.alpha", Key::F32(1.0));
    for (part, columns, rows) in [("ffn_gate", 256, 512), ("ffn_up", 256, 512), ("attn_k", 256, 128)] {
        for layer in 0..2 {
            let name = format!("blk.{layer}.{part}.weight");
            sample =
                sample.f32s(&format!("{name}.lora_a"), &[columns, 4], &noise.floats(4 * columns as usize));
            sample = sample.f32s(&format!("{name}.lora_b"), &[4, rows], &noise.floats(4 * rows as usize));
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sample.bytes()).unwrap();
    open(file.path(), gguf, number)
}

#[test]
fn rows_of_a_quantised_model_keep_their_bits_beside_rows_with_an_adapter() {
    let gguf = Gguf::from_bytes(tiny(&[TensorType::Q4_1, TensorType::Q8_0]).bytes()).unwrap();
    let mut bench = Bench::new(&gguf);
    let tokens = tokens(bench.vocabulary() as u32);
    let adapters = [None, Some(over_gates(&gguf, 1)), Some(over_gates(&gguf, 2))];
    let crowd: Vec<_> = (0..9).map(|at| (tokens[at..30 + at].to_vec(), adapters[at % 3].clone())).collect();
    let alone: Vec<_> =
        crowd.iter().map(|one| bench.logits(std::slice::from_ref(one), 1).remove(0)).collect();
    assert_eq!(bench.logits(&crowd, 64), alone);
    let base: Vec<_> = crowd.iter().map(|(tokens, _)| (tokens.clone(), None)).collect();
    for (at, base) in bench.logits(&base, 64).into_iter().enumerate() {
        assert_eq!(base == alone[at], at % 3 == 0, "{at}");
    }
}

fn fault(path: &Path, gguf: &Gguf) -> String {
    let read = Adapter::open(path, &Config::read(gguf).unwrap(), 1);
    read.err().expect("the adapter is accepted").message().to_owned()
}

#[test]
fn what_cannot_be_computed_is_refused_by_name() {
    let entry = adapters().remove(0);
    let gguf = base("llama 2");
    type Edit = fn(&mut Value);
    const Q: &str = "base_model.model.model.layers.0.self_attn.q_proj";
    let cases: [(&str, Edit); 15] = [
        ("adapter_config.json: peft_type", |entry| entry["config"]["peft_type"] = json!("LOHA")),
        ("adapter_config.json: use_dora", |entry| entry["config"]["use_dora"] = json!(true)),
        ("adapter_config.json: bias", |entry| entry["config"]["bias"] = json!("all")),
        ("adapter_config.json: modules_to_save", |e| e["config"]["modules_to_save"] = json!(["lm_head"])),
        ("adapter_config.json: alpha_pattern", |e| e["config"]["alpha_pattern"] = json!({"q_proj": 1})),
        ("adapter_config.json: init_lora_weights", |e| e["config"]["init_lora_weights"] = json!("pissa")),
        ("adapter_config.json: lora_alpha", |entry| entry["config"]["lora_alpha"] = json!(null)),
        ("has no lora_B beside it", |e| {
            drop(e["shapes"].as_object_mut().unwrap().remove(&format!("{Q}.lora_B.weight")));
        }),
        ("has no lora_A beside it", |e| {
            drop(e["shapes"].as_object_mut().unwrap().remove(&format!("{Q}.lora_A.weight")));
        }),
        ("lora_A has 4 rows", |entry| entry["shapes"][format!("{Q}.lora_B.weight")] = json!([64, 5])),
        ("changes 80 rows of 64", |entry| entry["shapes"][format!("{Q}.lora_B.weight")] = json!([80, 4])),
        ("matrix blk.7.attn_q", |entry| {
            for which in ["A", "B"] {
                let name = Q.replace(".0.", ".7.");
                entry["shapes"][format!("{name}.lora_{which}.weight")] =
                    json!(if which == "A" { [4, 64] } else { [64, 4] });
            }
        }),
        ("lora_magnitude_vector", |e| e["shapes"][format!("{Q}.lora_magnitude_vector")] = json!([64])),
        ("tensor base_model.model.lm_head.weight", |e| {
            e["shapes"]["base_model.model.lm_head.weight"] = json!([2, 64]);
        }),
        ("holds no change", |entry| entry["shapes"] = json!({})),
    ];
    for (expected, edit) in cases {
        let said = fault(peft(&entry, edit).path(), &gguf);
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn a_file_that_is_no_adapter_for_this_model_is_refused_by_name() {
    let entry = adapters().remove(0);
    let gguf = base("llama 2");
    let with = |key: &str, value: Option<Key>| {
        let mut sample = converted(&entry, (4, 2), "llama", 8.0);
        sample.keys.retain(|(other, _)| other != key);
        sample.keys.extend(value.map(|value| (key.to_owned(), value)));
        sample
    };
    let text = |text: &str| Some(Key::Text(text.to_owned()));
    let mut lone = with("none", None);
    lone.tensors.retain(|tensor| tensor.name != "blk.0.attn_q.weight.lora_b");
    let cases = [
        ("general.type", with("general.type", text("model"))),
        ("adapter.type", with("adapter.type", text("control_vector"))),
        ("general.architecture", with("general.architecture", text("qwen2"))),
        ("adapter.lora.alpha", with("adapter.lora.alpha", None)),
        ("has no lora_b beside it", lone),
        ("tensor extra", with("none", None).tensor("extra", TensorType::F32, &[1], vec![0; 4])),
    ];
    for (expected, sample) in cases {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), sample.bytes()).unwrap();
        let said = fault(file.path(), &gguf);
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
