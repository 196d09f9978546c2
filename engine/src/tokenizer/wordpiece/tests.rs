use std::fmt::Write as _;

use proptest::prelude::*;
use serde::Deserialize;

use super::WordPiece;
use super::normal::{Normalizer, Rules, Set};

const ALL: Rules = Rules { clean: true, space_chinese: true, strip_accents: true, lowercase: true };

#[derive(Deserialize)]
struct Golden {
    /// A hash of what becomes of the characters of each block of 4,096, between an `a` and a `b`; those that are newer
    /// than Unicode 14 left out, and one more.
    blocks: Vec<String>,
    texts: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    tokens: Vec<u32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/golden/wordpiece.json")).unwrap()
}

/// The words that a text is cut into, with a space between them.
fn words(normalizer: &Normalizer, text: &str) -> String {
    let mut all = String::new();
    normalizer.each(text, |c, kind| match kind {
        super::normal::Kind::Letter => all.push(c),
        super::normal::Kind::Space => all.push(' '),
        super::normal::Kind::Alone => write!(all, " {c} ").unwrap(),
    });
    all.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// FNV-1a, of 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn every_character_is_normalised_and_cut_as_hugging_faces_tokenizers_does() {
    let normalizer = Normalizer::new(ALL).unwrap();
    let known = Set::new(r"[[\p{age:14.0}--\p{Cn}]--\u{11938}]").unwrap();
    for (number, expected) in golden().blocks.iter().enumerate() {
        let mut all = String::new();
        for c in (number as u32 * 4096..(number as u32 + 1) * 4096)
            .filter_map(char::from_u32)
            .filter(|c| known.has(*c))
        {
            all.push_str(&words(&normalizer, &format!("a{c}b")));
            all.push('\n');
        }
        assert_eq!(&format!("{:016x}", hash(all.as_bytes())), expected, "block {number:x}000");
    }
}

/// With the tokenizer of all-MiniLM-L6-v2, where `OUTCROP_TEST_ENCODER` names its folder.
#[test]
fn texts_become_the_tokens_that_hugging_faces_tokenizers_makes_of_them() {
    let Some(folder) = crate::fixture::encoder("texts_become_the_tokens") else { return };
    let tokenizer = WordPiece::from_json(&std::fs::read(folder.join("tokenizer.json")).unwrap()).unwrap();
    assert_eq!((tokenizer.len(), tokenizer.frame()), (30522, ([101].as_slice(), [102].as_slice())));
    for Line { text, tokens } in golden().texts {
        assert_eq!(tokenizer.encode(&text), tokens, "{text:?}");
    }
}

const SMALL: &str = r###"{
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 8,
        "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "un": 4, "##aff": 5, "##able": 6, "[": 7, "sep": 8, "]": 9, "##a": 10, "u": 11}}
}"###;

#[test]
fn words_are_taken_apart_by_the_longest_pieces() {
    let tokenizer = WordPiece::from_json(SMALL.as_bytes()).unwrap();
    for (text, tokens) in [
        ("unaffable", vec![1]),
        ("UNÀFFA", vec![4, 5, 10]),
        ("unable unaff", vec![4, 6, 4, 5]),
        ("[SEP]", vec![7, 8, 9]),
        ("unx u", vec![1, 11]),
        ("uuuuuuuuu", vec![1]),
        ("", vec![]),
        (" \t\u{0}", vec![]),
    ] {
        assert_eq!(tokenizer.encode(text), tokens, "{text:?}");
    }
}

#[test]
fn a_tokenizer_of_another_kind_is_refused_by_name() {
    for (from, to, member) in [
        ("BertNormalizer", "Lowercase", "tokenizer.json: normalizer"),
        ("BertPreTokenizer", "Metaspace", "tokenizer.json: pre_tokenizer"),
        ("WordPiece", "Unigram", "tokenizer.json: model"),
        ("TemplateProcessing", "RobertaProcessing", "tokenizer.json: post_processor"),
        (r#""[SEP]": 3"#, r#""[S]": 3"#, "tokenizer.json: model.vocab"),
        (r#""[UNK]": 1"#, r#""[U]": 1"#, "tokenizer.json: model.vocab"),
        (r#""vocab""#, r#""words""#, "tokenizer.json"),
    ] {
        let fault = WordPiece::from_json(SMALL.replace(from, to).as_bytes()).err().unwrap();
        assert!(fault.message().starts_with(&format!("{member}: ")), "{fault}");
    }
}

proptest! {
    #[test]
    fn any_text_has_tokens_of_the_vocabulary(text: String) {
        let tokenizer = WordPiece::from_json(SMALL.as_bytes()).unwrap();
        prop_assert!(tokenizer.encode(&text).iter().all(|id| (*id as usize) < tokenizer.len()));
    }

    #[test]
    fn no_spoilt_byte_makes_the_reader_panic(at in 0..SMALL.len(), byte: u8) {
        let mut json = SMALL.as_bytes().to_vec();
        json[at] = byte;
        drop(WordPiece::from_json(&json));
    }
}
