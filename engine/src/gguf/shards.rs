//! A model in several files, as llama.cpp's `gguf-split` and the Python package `gguf` write them.
//!
//! The files are named `PREFIX-00001-of-00003.gguf`; each says which it is and how many there are, and the first holds
//! all other keys. Source: `llama_split_path` and `LLM_KV_SPLIT_*` in llama.cpp.

use std::path::Path;

use canon::Fault;

use super::{Gguf, Metadata, directory};
use crate::mapped::Mapped;

/// How many files there are.
pub(super) const COUNT: &str = "split.count";
/// Which of them a file is, from zero.
const NUMBER: &str = "split.no";
/// How many tensors they hold together.
const TENSORS: &str = "split.tensors.count";
/// More files than any model has.
const COUNT_MAX: u32 = 4096;

/// How many files the model of this file is in.
pub(super) fn count(file: &Gguf) -> Result<u32, Fault> {
    let count = file.metadata().u32(COUNT)?.unwrap_or(1).max(1);
    if count > COUNT_MAX {
        return Err(Fault::malformed(COUNT, format!("{count} files; at most {COUNT_MAX} are read")));
    }
    Ok(count)
}

/// Opens all files of the model that `one`, at `path`, is a part of.
pub(super) fn open(path: &Path, one: &Gguf, count: u32) -> Result<Gguf, Fault> {
    let number = number(one)?;
    let Some(shards) = Shards::of(path, number, count) else {
        let problem = format!(
            "is file {} of {count}, and must be named so: {}",
            number + 1,
            Shards::ending(number, count)
        );
        return Err(Fault::malformed(path.display().to_string(), problem));
    };
    let mut all = Gguf::one(shards.map(0)?)?;
    shards.check(&all.metadata(), 0)?;
    for number in 1..count {
        let file = shards.map(number)?;
        let directory =
            directory::read(&file, number as usize).map_err(|fault| shards.named(number, &fault))?;
        shards.check(&Metadata { bytes: &file, entries: &directory.entries }, number)?;
        all.files.push(file);
        all.add(directory.places).map_err(|fault| shards.named(number, &fault))?;
    }
    match all.metadata().u64(TENSORS)? {
        Some(said) if said != all.places.len() as u64 => {
            let problem = format!("{said} are promised, and the {count} files hold {}", all.places.len());
            Err(Fault::malformed(TENSORS, problem))
        }
        _ => Ok(all),
    }
}

/// Which of the files this is, from zero.
fn number(file: &Gguf) -> Result<u32, Fault> {
    // The limit is no file's number, and one can be added to it.
    Ok(file.metadata().u32(NUMBER)?.unwrap_or(0).min(COUNT_MAX))
}

/// The files of a model.
struct Shards<'a> {
    path: &'a Path,
    prefix: &'a str,
    count: u32,
}

impl<'a> Shards<'a> {
    /// Unless the path is not named as that of file `number`.
    fn of(path: &'a Path, number: u32, count: u32) -> Option<Self> {
        let prefix = path.file_name()?.to_str()?.strip_suffix(&Self::ending(number, count))?;
        Some(Self { path, prefix, count })
    }

    fn ending(number: u32, count: u32) -> String {
        format!("-{:05}-of-{count:05}.gguf", number + 1)
    }

    fn name(&self, number: u32) -> String {
        format!("{}{}", self.prefix, Self::ending(number, self.count))
    }

    fn map(&self, number: u32) -> Result<Mapped, Fault> {
        let path = self.path.with_file_name(self.name(number));
        if !path.exists() {
            let problem = format!("is missing, one of the model's {} files; fetch it again", self.count);
            return Err(Fault::malformed(path.display().to_string(), problem));
        }
        Mapped::open(&path)
    }

    /// The file says of itself what its name says.
    fn check(&self, metadata: &Metadata<'_>, number: u32) -> Result<(), Fault> {
        if metadata.u32(COUNT)? == Some(self.count) && metadata.u32(NUMBER)?.unwrap_or(0) == number {
            return Ok(());
        }
        let fault = Fault::malformed(
            NUMBER,
            format!("it is not the file {} of {} that its name says", number + 1, self.count),
        );
        Err(self.named(number, &fault))
    }

    fn named(&self, number: u32, fault: &Fault) -> Fault {
        Fault::new(fault.kind().clone(), format!("{}: {}", self.name(number), fault.message()))
    }
}
