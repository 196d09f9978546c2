//! Tuned models: a model of this process, and an adapter that changes it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use canon::ModelId;

use super::UpOptions;
use super::declared::{name_of, refine};
use crate::Failure;
use crate::estate;
use crate::local::Spec;

/// How `--adapter` is written.
const WRITTEN: &str = "write ID=PATH, or ID@BASE=PATH where several models are served";

/// What `--adapter` says: `ID=PATH`, or `ID@BASE=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterOption {
    /// The tuned model's id, as callers name it.
    pub id: ModelId,
    /// The id, or the short name, of the model that it changes; `None` for the only one that there is.
    pub base: Option<String>,
    /// A PEFT folder or a GGUF adapter.
    pub path: PathBuf,
}

impl FromStr for AdapterOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = text.split_once('=').ok_or(WRITTEN)?;
        let (id, base) = name.split_once('@').map_or((name, None), |(id, base)| (id, Some(base)));
        if path.is_empty() || base == Some("") {
            return Err(WRITTEN.to_owned());
        }
        let is_plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '"' | '\\' | '{' | '}');
        if id.is_empty() || !id.chars().all(is_plain) {
            return Err(format!(
                "{id:?} is no model's id; use visible ASCII without spaces, quotes and braces"
            ));
        }
        Ok(Self { id: ModelId::new(id), base: base.map(str::to_owned), path: path.into() })
    }
}

/// The tuned models that the options and the estate declare over `bases`, the models with weights of their own; the first
/// `asked` of them were asked for, and the others merely lie in the cache.
///
/// # Errors
/// A base is not there, or not named though there are several; an id is another model's.
pub(super) fn tuned(
    options: &UpOptions,
    estate: &[estate::Model],
    (bases, asked): (&[Spec], usize),
) -> Result<Vec<Spec>, Failure> {
    let mut tuned: Vec<Spec> = Vec::new();
    for option in &options.adapters {
        let base = match &option.base {
            Some(name) => find(bases, name, &format!("--adapter {}@{name}", option.id))?,
            None => only(bases.get(..asked).unwrap_or(bases), option)?,
        };
        add(&mut tuned, bases, of(options, base, &option.id, &option.path))?;
    }
    for model in estate {
        let (Some(base), Some(path)) = (&model.base, &model.path) else { continue };
        let base = find(bases, base.as_str(), &format!("the base of {} in the estate", model.id))?;
        let mut spec = of(options, base, &model.id, path);
        // What is the base's alone, the estate cannot say of a tuned model.
        refine(&mut spec, model);
        add(&mut tuned, bases, spec)?;
    }
    Ok(tuned)
}

fn of(options: &UpOptions, base: &Spec, id: &ModelId, path: &Path) -> Spec {
    let provider = Some(id.provider()).filter(|provider| !provider.is_empty()).unwrap_or("Local");
    let spec = Spec::new(id.clone(), (name_of(id), provider), path.to_owned());
    Spec { base: Some(base.id.clone()), kv: base.kv, idle: options.model_idle, ..spec }
}

fn add(tuned: &mut Vec<Spec>, bases: &[Spec], spec: Spec) -> Result<(), Failure> {
    if let Some(other) = bases.iter().chain(&*tuned).find(|other| other.id == spec.id) {
        let message =
            format!("{} and {} would both be {}", other.path.display(), spec.path.display(), spec.id);
        return Err(Failure::usage(message).with_help("give the tuned model another id"));
    }
    tuned.push(spec);
    Ok(())
}

fn find<'b>(bases: &'b [Spec], name: &str, what: &str) -> Result<&'b Spec, Failure> {
    let id = crate::models::find(name).map_or(name, |known| known.id);
    bases.iter().find(|base| base.id.as_str() == id).ok_or_else(|| {
        let message = format!("{what}: this process serves no model {name} that an adapter could change");
        Failure::usage(message).with_help(format!("name one of these: {}", ids(bases)))
    })
}

/// The only model that there is.
fn only<'b>(bases: &'b [Spec], option: &AdapterOption) -> Result<&'b Spec, Failure> {
    match bases {
        [base] => Ok(base),
        [] => Err(Failure::usage(format!("--adapter {}: there is no model that it could change", option.id))
            .with_help("name its base with --model PATH")),
        [first, ..] => {
            let message = format!("--adapter {}: there are several models that it could change", option.id);
            let (id, path) = (&option.id, option.path.display());
            Err(Failure::usage(message).with_help(format!(
                "name its base, such as --adapter {id}@{}={path}; there are {}",
                first.id,
                ids(bases)
            )))
        }
    }
}

fn ids(bases: &[Spec]) -> String {
    bases.iter().map(|base| base.id.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
