use std::path::Path;
use std::sync::Arc;

use canon::{Answer, Backend as _, EmbedInput, EmbedRequest, Fault, Fold, Kind, ModelId, Overflow};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Encoder, EncoderOptions, EncoderOutline};
use crate::fixture::{block_on, encoder, next};
use crate::safetensors::sample::Sample;

/// A small BERT of made-up weights, and what transformers makes with it.
#[derive(Clone, Deserialize)]
struct Small {
    width: usize,
    heads: usize,
    inner: usize,
    layers: usize,
    pooling: String,
    normalise: bool,
    tokens: Vec<Vec<u32>>,
    vectors: Vec<Vec<f32>>,
}

fn smalls() -> Vec<Small> {
    serde_json::from_str(include_str!("../../tests/golden/encoder.json")).unwrap()
}

/// As `tests/golden/encoder.py` makes them.
fn made_up(name: &str, len: usize) -> Vec<f32> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let shift = if name.ends_with("LayerNorm.weight") { 0.5 } else { -0.5 };
    let number = |at: usize| {
        let state = seed.wrapping_add(at as u64);
        let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((state ^ state >> 31) >> 40) as f32 / 16_777_216.0 + shift
    };
    (0..len).map(number).collect()
}

impl Small {
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let Self { width, inner, .. } = *self;
        let mut all: Vec<(String, Vec<usize>)> = [
            ("embeddings.word_embeddings.weight", vec![12, width]),
            ("embeddings.position_embeddings.weight", vec![24, width]),
            ("embeddings.token_type_embeddings.weight", vec![2, width]),
            ("embeddings.LayerNorm.weight", vec![width]),
            ("embeddings.LayerNorm.bias", vec![width]),
        ]
        .into_iter()
        .map(|(name, shape)| (name.to_owned(), shape))
        .collect();
        for layer in 0..self.layers {
            for (part, rows, columns) in [
                ("attention.self.query", width, width),
                ("attention.self.key", width, width),
                ("attention.self.value", width, width),
                ("attention.output.dense", width, width),
                ("attention.output.LayerNorm", width, 0),
                ("intermediate.dense", inner, width),
                ("output.dense", width, inner),
                ("output.LayerNorm", width, 0),
            ] {
                let shape = if columns == 0 { vec![rows] } else { vec![rows, columns] };
                all.push((format!("encoder.layer.{layer}.{part}.weight"), shape));
                all.push((format!("encoder.layer.{layer}.{part}.bias"), vec![rows]));
            }
        }
        all
    }

    /// Writes the model as Sentence Transformers does, after `change` had its way with each document.
    fn write(&self, folder: &Path, change: impl Fn(&str, &mut Value)) {
        let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d", "e", "##f", "##g", "."];
        let vocab: serde_json::Map<String, Value> =
            words.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
        let special = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
        let sequence = json!({"Sequence": {"id": "A", "type_id": 0}});
        let module = |at: usize, path: &str, kind: &str| json!({"idx": at, "name": at.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
        let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
        if self.normalise {
            modules.push(module(2, "2_Normalize", "Normalize"));
        }
        std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
        for (name, mut document) in [
            (
                "config.json",
                json!({
                "model_type": "bert", "hidden_act": "gelu", "hidden_size": self.width, "layer_norm_eps": 1e-12,
                "num_attention_heads": self.heads, "intermediate_size": self.inner, "type_vocab_size": 2,
                "num_hidden_layers": self.layers, "max_position_embeddings": 24, "vocab_size": 12}),
            ),
            ("modules.json", Value::Array(modules)),
            (
                "1_Pooling/config.json",
                json!({"word_embedding_dimension": self.width,
                format!("pooling_mode_{}", self.pooling): true, "pooling_mode_max_tokens": false}),
            ),
            ("sentence_bert_config.json", json!({"max_seq_length": 20, "do_lower_case": false})),
            (
                "tokenizer.json",
                json!({
                "normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
                "post_processor": {"type": "TemplateProcessing", "single": [special("[CLS]"), sequence, special("[SEP]")]},
                "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                    "max_input_chars_per_word": 100, "vocab": vocab}}),
            ),
        ] {
            change(name, &mut document);
            std::fs::write(folder.join(name), document.to_string()).unwrap();
        }
        let tensor = |sample: Sample, (name, shape): (String, Vec<usize>)| {
            sample.f32s(&name, &shape, &made_up(&name, shape.iter().product()))
        };
        let sample = self.tensors().into_iter().fold(Sample::default(), tensor);
        let whole: Vec<u8> = (0..24_i64).flat_map(i64::to_le_bytes).collect();
        let sample = sample.tensor("embeddings.position_ids", "I64", &[1, 24], &whole);
        std::fs::write(folder.join("model.safetensors"), sample.bytes()).unwrap();
    }

    fn load(&self, change: impl Fn(&str, &mut Value)) -> Result<Encoder, Fault> {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path(), change);
        Encoder::load(folder.path(), &EncoderOptions { threads: 2 })
    }

    /// What the golden tokens are without those that mark beginning and end.
    fn inputs(&self) -> Vec<EmbedInput> {
        let inner = |tokens: &Vec<u32>| EmbedInput::Tokens(tokens[1..tokens.len() - 1].to_vec());
        self.tokens.iter().map(inner).collect()
    }
}

fn ask(inputs: Vec<EmbedInput>) -> EmbedRequest {
    EmbedRequest::new(ModelId::new("m"), inputs)
}

fn text(text: &str) -> EmbedInput {
    EmbedInput::Text(text.to_owned())
}

fn answer(encoder: &Encoder, request: EmbedRequest) -> Result<Answer, Fault> {
    let mut generation = block_on(encoder.embed(Arc::new(request)))?;
    let mut fold = Fold::default();
    while let Some(event) = next(&mut generation.events) {
        if let Some(answer) = fold.push(event?)? {
            assert_eq!(generation.tally.usage(), answer.finish.usage);
            return Ok(answer);
        }
    }
    panic!("an answer without an end");
}

/// The largest difference between two vectors' numbers.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn same(_: &str, _: &mut Value) {}

#[test]
fn vectors_are_those_of_transformers_in_double_precision() {
    for small in smalls() {
        let encoder = small.load(same).unwrap();
        let made = answer(&encoder, ask(small.inputs())).unwrap();
        for (ours, theirs) in made.vectors.iter().zip(&small.vectors) {
            let apart = apart(ours, theirs);
            assert!(apart < 5e-6, "{} apart with {}", apart, small.pooling);
        }
        let tokens = small.tokens.iter().map(|tokens| tokens.len() as u64).sum::<u64>();
        assert_eq!(made.finish.usage, canon::Usage::plain(tokens, 0));
    }
}

#[test]
fn a_texts_vector_is_the_same_to_the_bit_whatever_else_is_in_its_batch() {
    let encoder = smalls()[0].load(same).unwrap();
    let texts = ["a", "b c d", "", "a.b.c.d.e", "af ag"];
    let together = answer(&encoder, ask(texts.map(text).to_vec())).unwrap().vectors;
    for (alone, vector) in texts.into_iter().zip(&together) {
        assert_eq!(&answer(&encoder, ask(vec![text(alone)])).unwrap().vectors[0], vector, "{alone}");
    }
    let crowd: Vec<EmbedInput> = (0..400).map(|at| text(texts[at % texts.len()])).collect();
    for (at, vector) in answer(&encoder, ask(crowd)).unwrap().vectors.iter().enumerate() {
        assert_eq!(vector, &together[at % texts.len()]);
    }
}

#[test]
fn calls_at_once_each_get_their_own_vectors() {
    let encoder = smalls()[0].load(same).unwrap();
    let alone = |word: &str| answer(&encoder, ask(vec![text(word)])).unwrap().vectors[0].clone();
    let expected = ["a", "b", "c", "d"].map(alone);
    std::thread::scope(|scope| {
        for (word, expected) in ["a", "b", "c", "d"].into_iter().zip(&expected) {
            let encoder = &encoder;
            scope.spawn(move || {
                for len in 1..40 {
                    let vectors = answer(encoder, ask(vec![text(word); len])).unwrap().vectors;
                    assert_eq!(vectors, vec![expected.clone(); len]);
                }
            });
        }
    });
}

#[test]
fn a_folder_is_outlined_as_it_loads() {
    let (small, folder) = (&smalls()[0], tempfile::tempdir().unwrap());
    assert!(!EncoderOutline::is_at(folder.path()));
    small.write(folder.path(), same);
    assert!(EncoderOutline::is_at(folder.path()));
    let (outline, encoder) = (EncoderOutline::read(folder.path()), small.load(same));
    let (outline, encoder) = (outline.unwrap(), encoder.unwrap());
    assert_eq!((outline.facts, &outline.capabilities), (encoder.facts(), encoder.capabilities()));
    assert!(outline.bytes > 48 << 20);
}

#[test]
fn a_text_that_is_too_long_is_refused_or_cut_at_the_end_that_was_asked_for() {
    let encoder = smalls()[0].load(same).unwrap();
    // Twenty tokens are read, of which two mark beginning and end.
    let long = format!("{}{}", "a ".repeat(9), "b ".repeat(12));
    let ask = |words: &str, overflow| EmbedRequest { overflow, ..ask(vec![text(words)]) };
    let fault = answer(&encoder, ask(&long, Overflow::Refuse)).unwrap_err();
    assert_eq!(fault.kind(), &Kind::ContextExceeded { tokens: 23, tokens_max: 20 });
    let vector = |words: &str, overflow| answer(&encoder, ask(words, overflow)).unwrap().vectors;
    let (start, end) =
        (format!("{}{}", "a ".repeat(9), "b ".repeat(9)), format!("{}{}", "a ".repeat(6), "b ".repeat(12)));
    assert_eq!(vector(&long, Overflow::KeepStart), vector(&start, Overflow::Refuse));
    assert_eq!(vector(&long, Overflow::KeepEnd), vector(&end, Overflow::Refuse));
}

#[test]
fn tokens_of_another_vocabulary_are_refused_by_their_place() {
    let encoder = smalls()[0].load(same).unwrap();
    let fault = answer(&encoder, ask(vec![EmbedInput::Tokens(vec![4]), EmbedInput::Tokens(vec![4, 12])]))
        .unwrap_err();
    assert!(fault.message().starts_with("input[1]: token 12 is none of this model's 12"), "{fault}");
}

#[test]
fn a_call_may_ask_for_vectors_as_they_are() {
    let encoder = smalls()[0].load(same).unwrap();
    let length = |normalize| {
        let made = answer(&encoder, EmbedRequest { normalize, ..ask(vec![text("a b")]) }).unwrap();
        made.vectors[0].iter().map(|x| x * x).sum::<f32>().sqrt()
    };
    assert!((length(None) - 1.0).abs() < 1e-6 && (length(Some(true)) - 1.0).abs() < 1e-6);
    assert!((length(Some(false)) - 1.0).abs() > 0.1);
}

#[test]
fn a_call_that_is_given_up_is_not_computed() {
    let encoder = smalls()[0].load(same).unwrap();
    let crowd = Arc::new(ask((0..2_000).map(|_| text("a b c d e a b c d e")).collect()));
    for _ in 0..50 {
        drop(block_on(encoder.embed(Arc::clone(&crowd))).unwrap());
    }
    // Computed, these would take many times longer than a test may.
    assert_eq!(answer(&encoder, ask(vec![text("a")])).unwrap().vectors.len(), 1);
}

#[test]
fn what_is_not_computed_here_is_refused_by_file_and_member() {
    type Change = fn(&str, &mut Value);
    let set = |file: &'static str, member: &'static str, value: Value| {
        move |name: &str, document: &mut Value| {
            if name == file {
                document[member] = value.clone();
            }
        }
    };
    let small = &smalls()[0];
    let refused = |change: &dyn Fn(&str, &mut Value)| small.load(change).err().unwrap().message().to_owned();
    for (file, member, value, place) in [
        ("config.json", "model_type", json!("roberta"), "config.json: model_type: "),
        ("config.json", "hidden_act", json!("relu"), "config.json: hidden_act: "),
        (
            "config.json",
            "position_embedding_type",
            json!("relative_key"),
            "config.json: position_embedding_type: ",
        ),
        ("config.json", "is_decoder", json!(true), "config.json: is_decoder: "),
        ("config.json", "num_attention_heads", json!(5), "config.json: num_attention_heads: "),
        ("config.json", "hidden_size", json!(0), "config.json: hidden_size: "),
        ("config.json", "intermediate_size", json!(65), "tensor encoder.layer.0.intermediate.dense.weight: "),
        (
            "config.json",
            "num_hidden_layers",
            json!(3),
            "tensor encoder.layer.2.attention.self.query.weight: ",
        ),
        ("config.json", "num_hidden_layers", json!(1), "tensor encoder.layer.1."),
        ("config.json", "vocab_size", json!(11), "tokenizer.json: model.vocab: "),
        (
            "1_Pooling/config.json",
            "pooling_mode_max_tokens",
            json!(true),
            "1_Pooling/config.json: pooling_mode_mean_tokens, pooling_mode_max_tokens",
        ),
        (
            "sentence_bert_config.json",
            "max_seq_length",
            json!("x"),
            "sentence_bert_config.json: max_seq_length: ",
        ),
    ] {
        let message = refused(&set(file, member, value));
        assert!(message.starts_with(place), "{place}{message}");
    }
    let dense: Change = |name, document| {
        if name == "modules.json" {
            document[2]["type"] = json!("sentence_transformers.models.Dense");
        }
    };
    assert!(
        refused(&dense)
            .starts_with("modules.json: [2].type: sentence_transformers.models.Dense is not computed")
    );
    let escape: Change = |name, document| {
        if name == "modules.json" {
            document[1]["path"] = json!("../1_Pooling");
        }
    };
    assert!(refused(&escape).starts_with("modules.json: [1].path: "));
}

#[derive(Deserialize)]
struct Line {
    text: String,
    vector: Vec<f32>,
}

/// With all-MiniLM-L6-v2, where `OUTCROP_TEST_ENCODER` names its folder.
#[test]
fn vectors_of_all_minilm_are_those_of_sentence_transformers() {
    let Some(folder) = encoder("vectors_of_all_minilm_are_those_of_sentence_transformers") else { return };
    let encoder = Encoder::load(&folder, &EncoderOptions { threads: 2 }).unwrap();
    assert_eq!((encoder.facts().dimensions, encoder.facts().text_tokens_max), (384, 256));
    let lines: Vec<Line> = serde_json::from_str(include_str!("../../tests/golden/embeddings.json")).unwrap();
    let request = EmbedRequest {
        overflow: Overflow::KeepStart,
        ..ask(lines.iter().map(|line| text(&line.text)).collect())
    };
    let vectors = answer(&encoder, request).unwrap().vectors;
    for (line, vector) in lines.iter().zip(&vectors) {
        let apart = apart(vector, &line.vector);
        eprintln!("{apart:.2e} apart: {:.40}", line.text);
        assert!(apart < 2e-6, "{apart} apart: {}", line.text);
    }
}
