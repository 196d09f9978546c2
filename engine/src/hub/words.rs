//! Which tokens begin and end a text, and the chat template.

use std::path::Path;

use canon::Fault;
use serde_json::Value;

use super::json::{self, Json};
use super::vocabulary::Vocabulary;
use crate::gguf::Draft;

const TOKENIZER: &str = "tokenizer_config.json";
const GENERATION: &str = "generation_config.json";
const TEMPLATE: &str = "chat_template.jinja";
/// The keys that a GGUF file has for tokens that end an answer.
const ENDS: [&str; 3] = ["eos_token_id", "eot_token_id", "eom_token_id"];

/// Writes the keys of control tokens and of the template.
pub(super) fn translate(
    folder: &Path,
    config: &Json,
    vocabulary: &Vocabulary,
    draft: &mut Draft,
) -> Result<(), Fault> {
    let tokenizer = Json::optional(folder, TOKENIZER)?;
    let generation = Json::optional(folder, GENERATION)?;
    let named = |member: &str| tokenizer.as_ref().map(|file| token(file, member, vocabulary)).transpose();
    let mut ends: Vec<u32> = named("eos_token")?.flatten().into_iter().collect();
    for file in generation.iter().chain([config]) {
        for id in ids(file, "eos_token_id")? {
            if !ends.contains(&id) {
                ends.push(id);
            }
        }
    }
    if ends.len() > ENDS.len() {
        let remedy = format!("{} tokens end an answer; at most {} are known here", ends.len(), ENDS.len());
        return Err(Fault::unsupported(format!("{GENERATION}: eos_token_id"), remedy));
    }
    for (key, id) in ENDS.iter().zip(ends) {
        draft.u32(&format!("tokenizer.ggml.{key}"), id);
    }
    let bos = match named("bos_token")?.flatten() {
        None if tokenizer.is_none() => ids(config, "bos_token_id")?.first().copied(),
        bos => bos,
    };
    if let Some(id) = bos {
        draft.u32("tokenizer.ggml.bos_token_id", id);
    }
    let said = tokenizer.as_ref().map(|file| file.bool("add_bos_token")).transpose()?.flatten();
    draft.bool("tokenizer.ggml.add_bos_token", said.unwrap_or(bos.is_some() && vocabulary.first == bos));
    if let Some(template) = template(folder, tokenizer.as_ref())? {
        draft.text("tokenizer.chat_template", &template);
    }
    Ok(())
}

/// A token by its spelling, which is a text or an object's `content`.
fn token(file: &Json, member: &str, vocabulary: &Vocabulary) -> Result<Option<u32>, Fault> {
    let Some(said) = file.get(member) else { return Ok(None) };
    let spelt = said.as_str().or_else(|| said.get("content").and_then(Value::as_str));
    match spelt.and_then(|spelt| vocabulary.id(spelt)) {
        Some(id) => Ok(Some(id)),
        None => Err(file.malformed(member, format!("{said} is no token of tokenizer.json"))),
    }
}

/// One token or several, by their numbers.
fn ids(file: &Json, member: &str) -> Result<Vec<u32>, Fault> {
    match file.get(member) {
        None => Ok(Vec::new()),
        Some(Value::Array(_)) => {
            let numbers = file.numbers(member)?.unwrap_or_default();
            Ok(numbers.into_iter().map(|number| number as u32).collect())
        }
        Some(_) => Ok(file.u32(member)?.into_iter().collect()),
    }
}

/// A file of its own, or a member of the tokenizer's configuration: a text, or several with names.
fn template(folder: &Path, tokenizer: Option<&Json>) -> Result<Option<String>, Fault> {
    let malformed = |problem: &str| Fault::malformed(TEMPLATE, problem);
    if let Some(bytes) = json::bytes(folder, TEMPLATE)? {
        let text = std::str::from_utf8(&bytes).map_err(|_| malformed("is not UTF-8"))?;
        return Ok(Some(text.to_owned()));
    }
    let member = "chat_template";
    let Some((file, said)) = tokenizer.and_then(|file| Some((file, file.get(member)?))) else {
        return Ok(None);
    };
    let by_name = |list: &Vec<Value>| {
        let default = list.iter().find(|one| one["name"] == "default")?;
        default["template"].as_str().map(str::to_owned)
    };
    match said.as_str().map(str::to_owned).or_else(|| by_name(said.as_array()?)) {
        Some(text) => Ok(Some(text)),
        None => Err(file.malformed(member, "is neither a template nor a list with one named \"default\"")),
    }
}
