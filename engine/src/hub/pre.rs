//! Which of llama.cpp's pre-tokenizers a `tokenizer.json` describes. The names are those of `convert_hf_to_gguf.py`.

use canon::Fault;
use serde_json::{Value, json};

/// `openai-community/gpt2`.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// Expressions by which a text is cut; the name where a word that is a token is taken whole, and where it is merged
/// like any other.
const EXPRESSIONS: [(&str, Option<&str>, Option<&str>); 5] = [
    (GPT2, None, Some("gpt-2")),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Some("llama-bpe"),
        Some("dbrx"),
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        None,
        Some("qwen2"),
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Some("gpt-4o"),
        Some("gpt-4o"),
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Some("tekken"),
        Some("tekken"),
    ),
];

/// The name of a byte-level tokenizer's pre-tokenizer; `whole_words` says that a word that is a token is not merged.
///
/// # Errors
/// [`canon::Kind::Unsupported`] where it is none of those above.
pub(super) fn name(pre_tokenizer: &Value, whole_words: bool) -> Result<&'static str, Fault> {
    let found = match steps(pre_tokenizer).as_slice() {
        [bytes] if is_bytes(bytes, true) => by_expression(GPT2, whole_words),
        [digits, bytes] if is_digits(digits) && is_bytes(bytes, true) && !whole_words => Some("smollm"),
        [split, bytes] if is_bytes(bytes, false) => {
            expression(split).and_then(|expression| by_expression(expression, whole_words))
        }
        _ => None,
    };
    found.ok_or_else(|| {
        let remedy = "text is cut by an expression that is not known here; take a GGUF file of this model, or one whose \
                      tokenizer cuts as GPT-2, SmolLM, Llama 3 or Qwen 2 do";
        Fault::unsupported("tokenizer.json: pre_tokenizer", remedy).with_detail(pre_tokenizer)
    })
}

/// A sequence's steps, or the one step that it is.
fn steps(pre_tokenizer: &Value) -> Vec<&Value> {
    match pre_tokenizer.get("pretokenizers").and_then(Value::as_array) {
        Some(steps) => steps.iter().collect(),
        None => vec![pre_tokenizer],
    }
}

fn is_bytes(step: &Value, cuts: bool) -> bool {
    step["type"] == "ByteLevel"
        && step["add_prefix_space"] == json!(false)
        && step.get("use_regex").unwrap_or(&json!(true)) == &json!(cuts)
}

fn is_digits(step: &Value) -> bool {
    step["type"] == "Digits" && step["individual_digits"] == json!(true)
}

fn expression(step: &Value) -> Option<&str> {
    let cuts = step["type"] == "Split" && step["behavior"] == "Isolated" && step["invert"] == json!(false);
    step["pattern"]["Regex"].as_str().filter(|_| cuts)
}

fn by_expression(expression: &str, whole_words: bool) -> Option<&'static str> {
    let (_, whole, merged) = EXPRESSIONS.into_iter().find(|(known, ..)| *known == expression)?;
    if whole_words { whole } else { merged }
}
