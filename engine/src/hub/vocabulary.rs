//! `tokenizer.json` to the keys of a GGUF vocabulary.

use std::collections::HashMap;
use std::path::Path;

use canon::Fault;
use serde::Deserialize;
use serde_json::Value;

use super::{json, pre};
use crate::gguf::Draft;

const FILE: &str = "tokenizer.json";
/// How `SentencePiece` writes a space.
const SPACE: &str = "\u{2581}";

/// What a token is: GGUF's `token_type`.
#[derive(Clone, Copy)]
enum Kind {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// What is read of the file. Truncation, padding and the decoder do not matter here.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    vocab: Value,
    #[serde(default)]
    merges: Vec<Merge>,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
}

/// Two spellings; before version 0.20 of `tokenizers` with a space between them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Joined(String),
    Pair(String, String),
}

/// What else the folder says of its words is read with this.
pub(super) struct Vocabulary {
    ids: HashMap<String, u32>,
    /// The token that prompts begin with.
    pub(super) first: Option<u32>,
}

impl Vocabulary {
    /// The token that is spelt so.
    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }
}

/// Writes the vocabulary, for a model that can say `rows` tokens.
pub(super) fn translate(folder: &Path, rows: usize, draft: &mut Draft) -> Result<Vocabulary, Fault> {
    let Some(bytes) = json::bytes(folder, FILE)? else {
        let problem = format!(
            "lacks {FILE}; where it has tokenizer.model instead, load that with transformers' AutoTokenizer and save it again"
        );
        return Err(Fault::malformed(folder.display().to_string(), problem));
    };
    let file: File = serde_json::from_slice(&bytes)
        .map_err(|error| Fault::malformed(FILE, format!("is not as it should be: {error}")))?;
    refuse(&file)?;
    let (tokens, kinds) = file.tokens(rows)?;
    if file.model.byte_fallback {
        draft.text("tokenizer.ggml.model", "llama");
        draft.bool("tokenizer.ggml.add_space_prefix", file.prefixes_space()?);
    } else {
        draft.text("tokenizer.ggml.model", "gpt2");
        draft.text("tokenizer.ggml.pre", file.pre()?);
    }
    let merges = file.merges()?;
    draft.texts("tokenizer.ggml.tokens", tokens.iter().map(String::as_str));
    draft.integers("tokenizer.ggml.token_type", &kinds.iter().map(|kind| *kind as i32).collect::<Vec<i32>>());
    draft.texts("tokenizer.ggml.merges", merges.iter().map(String::as_str));
    let ids: HashMap<String, u32> = tokens.into_iter().zip(0..).collect();
    let first = first_token(&file.post_processor).and_then(|token| ids.get(token).copied());
    Ok(Vocabulary { ids, first })
}

fn refuse(file: &File) -> Result<(), Fault> {
    let unsupported =
        |member: &str, remedy: String| Err(Fault::unsupported(format!("{FILE}: {member}"), remedy));
    let kind = file.model.kind.as_deref().unwrap_or("BPE");
    if kind != "BPE" {
        return unsupported("model.type", format!("{kind:?} is not computed here; BPE is"));
    }
    let affixes = [
        ("model.continuing_subword_prefix", &file.model.continuing_subword_prefix),
        ("model.end_of_word_suffix", &file.model.end_of_word_suffix),
    ];
    match affixes.into_iter().find(|(_, affix)| affix.as_deref().is_some_and(|affix| !affix.is_empty())) {
        Some((member, _)) => {
            unsupported(member, "vocabularies of this kind are not computed here".to_owned())
        }
        None => Ok(()),
    }
}

impl File {
    /// Every token by its id, and what it is.
    fn tokens(&self, rows: usize) -> Result<(Vec<String>, Vec<Kind>), Fault> {
        let wrong = |member: &str, problem: String| Fault::malformed(format!("{FILE}: {member}"), problem);
        let outside = |id: u64| format!("token {id} is none of the {rows} that the model can say");
        let Some(vocabulary) = self.model.vocab.as_object() else {
            return Err(wrong("model.vocab", "is no object".to_owned()));
        };
        let mut tokens: Vec<Option<(String, Kind)>> = vec![None; rows];
        for (token, id) in vocabulary {
            let id = id.as_u64().unwrap_or(u64::MAX);
            let slot = usize::try_from(id).ok().and_then(|id| tokens.get_mut(id));
            let slot = slot.ok_or_else(|| wrong("model.vocab", outside(id)))?;
            if let Some((other, _)) = slot {
                return Err(wrong("model.vocab", format!("{token:?} and {other:?} are both token {id}")));
            }
            *slot = Some((token.clone(), self.kind(token)));
        }
        for added in &self.added_tokens {
            let slot = usize::try_from(added.id).ok().and_then(|id| tokens.get_mut(id));
            let slot = slot.ok_or_else(|| wrong("added_tokens", outside(added.id.into())))?;
            let kind = match self.kind(&added.content) {
                Kind::Normal if added.special || looks_special(&added.content) => Kind::Control,
                Kind::Normal => Kind::UserDefined,
                other => other,
            };
            *slot = Some((added.content.clone(), kind));
        }
        let named = |(id, token): (usize, Option<(String, Kind)>)| {
            token.unwrap_or_else(|| (format!("[PAD{id}]"), Kind::Unused))
        };
        Ok(tokens.into_iter().enumerate().map(named).unzip())
    }

    fn kind(&self, token: &str) -> Kind {
        if !self.model.byte_fallback {
            Kind::Normal
        } else if self.model.unk_token.as_deref() == Some(token) {
            Kind::Unknown
        } else if token.len() == 6 && token.starts_with("<0x") && token.ends_with('>') {
            Kind::Byte
        } else {
            Kind::Normal
        }
    }

    fn merges(&self) -> Result<Vec<String>, Fault> {
        let merge = |(rank, merge): (usize, &Merge)| match merge {
            Merge::Joined(merge) => Ok(merge.clone()),
            Merge::Pair(left, right) if left.contains(' ') || right.contains(' ') => {
                let problem = "it has a space, which no vocabulary here spells so";
                Err(Fault::malformed(format!("{FILE}: model.merges[{rank}]"), problem))
            }
            Merge::Pair(left, right) => Ok(format!("{left} {right}")),
        };
        self.model.merges.iter().enumerate().map(merge).collect()
    }

    /// The pre-tokenizer of a byte-level vocabulary. Qwen's composes characters first (NFC), which llama.cpp does not
    /// do, and neither does this.
    fn pre(&self) -> Result<&'static str, Fault> {
        if !self.normalizer.is_null() && self.normalizer["type"] != "NFC" {
            return Err(unknown_normalizer(&self.normalizer));
        }
        pre::name(&self.pre_tokenizer, self.model.ignore_merges)
    }

    /// Whether a vocabulary of `SentencePiece` puts a space before the first word.
    fn prefixes_space(&self) -> Result<bool, Fault> {
        let mut prefixes = false;
        let steps = match self.normalizer["normalizers"].as_array() {
            Some(steps) => steps.iter().collect(),
            None if self.normalizer.is_null() => Vec::new(),
            None => vec![&self.normalizer],
        };
        let mut spells_spaces = false;
        for step in steps {
            match step["type"].as_str() {
                Some("Prepend") if step["prepend"] == SPACE => prefixes = true,
                Some("Replace") if step["pattern"]["String"] == " " && step["content"] == SPACE => {
                    spells_spaces = true;
                }
                _ => return Err(unknown_normalizer(&self.normalizer)),
            }
        }
        let cut = &self.pre_tokenizer;
        match cut["type"].as_str() {
            None if spells_spaces => Ok(prefixes),
            // Spaces are spelt otherwise by then, so that nothing is cut: Gemma.
            Some("Split") if spells_spaces && cut["pattern"]["String"] == " " => Ok(prefixes),
            Some("Metaspace") if cut["replacement"] == SPACE && cut["split"] == Value::Bool(false) => {
                Ok(prefixes || cut["prepend_scheme"] != "never")
            }
            _ => {
                let remedy = "text is cut in a way that is not known here; take a GGUF file of this model";
                Err(Fault::unsupported(format!("{FILE}: pre_tokenizer"), remedy).with_detail(cut))
            }
        }
    }
}

fn unknown_normalizer(normalizer: &Value) -> Fault {
    let remedy = "text is changed in a way that is not known here; take a GGUF file of this model";
    Fault::unsupported(format!("{FILE}: normalizer"), remedy).with_detail(normalizer)
}

/// Tokens that some folders forget to call special (`does_token_look_special` of `convert_hf_to_gguf.py`).
fn looks_special(token: &str) -> bool {
    matches!(token, "<pad>" | "<mask>" | "<2mass>" | "[@BOS@]")
        || (token.starts_with("<|") && token.ends_with("|>"))
        || (token.starts_with("<｜") && token.ends_with("｜>"))
        || (token.starts_with("<unused") && token.ends_with('>'))
}

/// The token that the template of `post_processor` begins a text with.
fn first_token(post_processor: &Value) -> Option<&str> {
    let steps = post_processor["processors"].as_array();
    let steps: Vec<&Value> = steps.map_or_else(|| vec![post_processor], |steps| steps.iter().collect());
    steps.into_iter().find_map(|step| step["single"][0]["SpecialToken"]["id"].as_str())
}
