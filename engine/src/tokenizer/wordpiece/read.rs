//! Reading `tokenizer.json`. What it asks for that is not done here is refused by name, because other tokens would give
//! other vectors.

use std::collections::HashMap;

use canon::Fault;
use serde::Deserialize;
use serde_json::Value;

use super::WordPiece;
use super::normal::{Normalizer, Rules};

#[derive(Deserialize)]
struct File {
    normalizer: Option<BertNormalizer>,
    pre_tokenizer: Option<Typed>,
    post_processor: Option<Value>,
    model: Model,
}

#[derive(Deserialize)]
struct Typed {
    r#type: String,
}

#[derive(Deserialize)]
struct BertNormalizer {
    r#type: String,
    #[serde(default = "yes")]
    clean_text: bool,
    #[serde(default = "yes")]
    handle_chinese_chars: bool,
    /// `null` means as `lowercase`.
    strip_accents: Option<bool>,
    #[serde(default = "yes")]
    lowercase: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Model {
    /// Old files leave it out.
    r#type: Option<String>,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: HashMap<String, u32>,
}

impl WordPiece {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`canon::Kind::Malformed`] where it is not one, [`canon::Kind::Unsupported`] where it is of a kind that is not
    /// known here; either names the member.
    pub fn from_json(json: &[u8]) -> Result<Self, Fault> {
        let file: File = serde_json::from_slice(json).map_err(|error| {
            Fault::malformed("tokenizer.json", format_args!("is not a BERT tokenizer: {error}"))
        })?;
        let only = |member: &str, found: Option<&str>, known: &str| {
            if found == Some(known) {
                return Ok(());
            }
            let found = found.unwrap_or("nothing");
            let remedy = format!("{found} is not computed here; take a model whose tokenizer has {known}");
            Err(Fault::unsupported(format!("tokenizer.json: {member}"), remedy))
        };
        let File { normalizer, pre_tokenizer, post_processor, model } = file;
        only("normalizer", normalizer.as_ref().map(|it| it.r#type.as_str()), "BertNormalizer")?;
        only("pre_tokenizer", pre_tokenizer.as_ref().map(|it| it.r#type.as_str()), "BertPreTokenizer")?;
        only("model", Some(model.r#type.as_deref().unwrap_or("WordPiece")), "WordPiece")?;
        let rules = normalizer.map(|it| Rules {
            clean: it.clean_text,
            space_chinese: it.handle_chinese_chars,
            strip_accents: it.strip_accents.unwrap_or(it.lowercase),
            lowercase: it.lowercase,
        });
        let normalizer = Normalizer::new(rules.ok_or_else(|| Fault::internal("a normalizer went away"))?)?;
        let (before, after) = frame(post_processor.as_ref(), &model.vocab)?;
        Self::assemble(normalizer, (before, after), model)
    }

    fn assemble(
        normalizer: Normalizer,
        (before, after): (Vec<u32>, Vec<u32>),
        model: Model,
    ) -> Result<Self, Fault> {
        let Model { unk_token, continuing_subword_prefix: mark, max_input_chars_per_word, vocab, .. } = model;
        let unknown = id(&vocab, &unk_token)?;
        let largest = vocab.values().max().copied().unwrap_or(0);
        let piece_bytes_max = vocab.keys().map(String::len).max().unwrap_or(0);
        let (mut heads, mut tails) = (HashMap::new(), HashMap::new());
        for (piece, id) in vocab {
            match piece.strip_prefix(mark.as_str()).filter(|_| !mark.is_empty()) {
                Some(tail) => tails.insert(tail.into(), id),
                None => heads.insert(piece.into(), id),
            };
        }
        let len = crate::tokenizer::index(largest).saturating_add(1);
        let word_chars_max = max_input_chars_per_word;
        Ok(Self { normalizer, heads, tails, piece_bytes_max, word_chars_max, unknown, before, after, len })
    }
}

fn id(vocabulary: &HashMap<String, u32>, token: &str) -> Result<u32, Fault> {
    vocabulary.get(token).copied().ok_or_else(|| {
        Fault::malformed("tokenizer.json: model.vocab", format_args!("lacks {token}, which the file names"))
    })
}

/// What the post-processor puts around a single text.
fn frame(
    post_processor: Option<&Value>,
    vocabulary: &HashMap<String, u32>,
) -> Result<(Vec<u32>, Vec<u32>), Fault> {
    let refused = || {
        let remedy = "is not computed here; take a model with a TemplateProcessing or a BertProcessing";
        Fault::unsupported("tokenizer.json: post_processor", remedy)
    };
    let post_processor = post_processor.ok_or_else(refused)?;
    match post_processor["type"].as_str() {
        Some("BertProcessing") => {
            let token = |member: &str| id(vocabulary, post_processor[member][0].as_str().unwrap_or_default());
            Ok((vec![token("cls")?], vec![token("sep")?]))
        }
        Some("TemplateProcessing") => {
            let (mut before, mut after, mut seen) = (Vec::new(), Vec::new(), false);
            for part in post_processor["single"].as_array().ok_or_else(refused)? {
                match part["SpecialToken"]["id"].as_str() {
                    Some(token) if seen => after.push(id(vocabulary, token)?),
                    Some(token) => before.push(id(vocabulary, token)?),
                    None if part["Sequence"]["id"] == "A" && !seen => seen = true,
                    None => return Err(refused()),
                }
            }
            Ok((before, after))
        }
        _ => Err(refused()),
    }
}
