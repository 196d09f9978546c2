//! Folders as Hugging Face's libraries write them, presented as a GGUF file presents a model.
//!
//! `config.json` becomes the metadata keys that llama.cpp's converter writes, `tokenizer.json` the vocabulary, and the
//! tensors of the safetensors files keep their bytes and get their names. So the rooms of the model, the tokenizer and
//! the template know one layout. Source of keys and names: `convert_hf_to_gguf.py` of llama.cpp, from which this differs
//! in one thing: rows of queries and keys stay in their order, and [`HALVES`] tells the model to turn them so.
//!
//! Refused by name: architectures and tensors that are not in the tables, members of `config.json` that call for other
//! arithmetic, pre-tokenizers whose expression is not known.

mod config;
mod family;
mod json;
mod pre;
mod rope;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod vocabulary;
mod words;

use std::path::Path;

use canon::Fault;

use crate::gguf::{Draft, Gguf};
use crate::quant::decode;
use crate::safetensors::SafeTensors;
use family::Family;

pub(crate) use family::module;
pub(crate) use json::Json;

/// The key that says that a number turns with the one half a head away, whatever the architecture says. No GGUF file has
/// it.
pub(crate) const HALVES: &str = "outcrop.rope.halves";

/// The tensor that makes logits, where the embedding does not.
const OUTPUT: &str = "lm_head.weight";

/// Opens a folder.
///
/// # Errors
/// A file is missing, or says what is not known here; the fault names the file and the member.
pub(crate) fn open(folder: &Path) -> Result<Gguf, Fault> {
    let config = Json::read(folder, "config.json")?;
    let family = Family::of(&config)?;
    let tensors = SafeTensors::open(folder)?;
    let mut draft = Draft::default();
    config::translate(&config, family, &mut draft)?;
    let rows = tensors.tensor("model.embed_tokens.weight")?.map_or(0, |tensor| tensor.rows());
    let vocabulary = vocabulary::translate(folder, rows, &mut draft)?;
    words::translate(folder, &config, &vocabulary, &mut draft)?;
    let tied = config.bool("tie_word_embeddings")?;
    if tied == Some(false) && tensors.place(OUTPUT).is_none() {
        let problem = "the folder lacks this tensor, and config.json says that it is not the embedding's";
        return Err(Fault::malformed(format!("tensor {OUTPUT}"), problem));
    }
    let is_tied = tied.unwrap_or(false);
    for theirs in tensors.names() {
        if (is_tied && theirs == OUTPUT) || family::is_redundant(theirs) {
            continue;
        }
        let name = family.tensor(theirs)?;
        let (Some(tensor), Some(place)) = (tensors.tensor(theirs)?, tensors.place(theirs)) else { continue };
        if family.adds_one && name.ends_with("norm.weight") {
            let mut numbers = vec![0.0; tensor.rows() * tensor.columns()];
            decode(tensor.kind, tensor.bytes, &mut numbers);
            numbers.iter_mut().for_each(|number| *number += 1.0);
            draft.floats(&name, &numbers);
        } else {
            draft.tensor(&name, (tensor.kind, tensor.shape), place);
        }
    }
    draft.finish(tensors.into_files())
}
