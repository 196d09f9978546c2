//! Which models this process has: files that were named, the default model, what the estate declares, and what was
//! fetched into the cache.

use std::path::Path;

use canon::ModelId;

use super::{UpOptions, adapters, failed};
use crate::Failure;
use crate::estate::{self, Estate};
use crate::local::{Loader, Outlined, Spec};
use crate::models::{Cache, DEFAULT, KNOWN, KnownModel};

/// The models of this process, the first of which is the one that it was started for.
pub(super) struct Declared {
    pub(super) models: Vec<(Spec, Outlined)>,
    /// The one that this process was started for, if there is one.
    pub(super) first: Option<ModelId>,
}

/// Finds the models and reads what each says of itself. Blocks: a file that was never verified is read whole.
///
/// # Errors
/// A model that was asked for cannot be run here. What merely lies in the cache is left out then, aloud.
pub(super) fn declare(
    options: &UpOptions,
    cache: &Cache,
    estate: Option<&Estate>,
    loader: &Loader,
) -> Result<Declared, Failure> {
    let mut asked = named_or_default(options, cache)?;
    let first = asked.first().map(|spec| spec.id.clone());
    let declared = estate.map_or(&[][..], |estate| &estate.models);
    for model in declared.iter().filter(|model| model.base.is_none()) {
        match asked.iter_mut().find(|spec| spec.id == model.id) {
            Some(spec) => refine(spec, model),
            None => asked.push(of_estate(options, cache, model)?),
        }
    }
    let mut models: Vec<(Spec, Outlined)> = Vec::new();
    for spec in asked {
        let outlined = loader.outline(&spec).map_err(|fault| unusable(fault, &spec))?;
        models.push((spec, outlined));
    }
    let asked = models.len();
    for spec in cached(options, cache) {
        if models.iter().any(|(other, _)| other.id == spec.id) {
            continue;
        }
        match loader.outline(&spec) {
            Ok(outlined) => models.push((spec, outlined)),
            Err(fault) => {
                let (path, detail) = (spec.path.display(), fault.detail().unwrap_or_default());
                tracing::warn!(model = %spec.id, %path, %fault, detail, "a fetched model cannot be served");
            }
        }
    }
    let bases: Vec<Spec> = models.iter().map(|(spec, _)| spec.clone()).collect();
    for spec in adapters::tuned(options, declared, (&bases, asked))? {
        let base = models.iter().find(|(base, _)| Some(&base.id) == spec.base.as_ref());
        let Some(base) = base else { continue };
        let outlined = loader.outline_tuned(&spec, base).map_err(|fault| unusable(fault, &spec))?;
        models.push((spec, outlined));
    }
    Ok(Declared { models, first })
}

/// What `--model` names, or else the default model.
fn named_or_default(options: &UpOptions, cache: &Cache) -> Result<Vec<Spec>, Failure> {
    let mut asked: Vec<Spec> = Vec::new();
    for spec in options.models.iter().map(|path| with(options, named(path))) {
        if let Some(other) = asked.iter().find(|other| other.id == spec.id) {
            let message =
                format!("{} and {} would both be {}", other.path.display(), spec.path.display(), spec.id);
            return Err(Failure::usage(message).with_help("rename one of the files"));
        }
        asked.push(spec);
    }
    if asked.is_empty() && options.default_model {
        asked.push(with(options, known(cache, DEFAULT)));
    }
    Ok(asked)
}

/// A model that the estate alone declares.
fn of_estate(options: &UpOptions, cache: &Cache, model: &estate::Model) -> Result<Spec, Failure> {
    let mut spec = match (&model.path, crate::models::find(model.id.as_str())) {
        (Some(path), _) => {
            Spec::new(model.id.clone(), (name_of(&model.id), model.id.provider()), path.clone())
        }
        (None, Some(found)) if cache.find(found).is_some() => known(cache, found),
        (None, _) => {
            let message = format!("the estate declares {}, which was not fetched yet", model.id);
            return Err(Failure::usage(message).with_help(format!("outcrop pull {}", model.id)));
        }
    };
    spec = with(options, spec);
    refine(&mut spec, model);
    Ok(spec)
}

/// Takes over what the estate says of a model.
pub(super) fn refine(spec: &mut Spec, model: &estate::Model) {
    spec.pinned = model.pinned;
    spec.context_tokens_max = model.context_tokens_max;
    spec.kv_bytes_max = model.kv_bytes_max;
    spec.kv = model.kv.unwrap_or(spec.kv);
    spec.idle = model.idle.or(spec.idle);
    if let Some(name) = &model.name {
        spec.name.clone_from(name);
    }
    if let Some(path) = &model.path {
        spec.path.clone_from(path);
    }
}

/// What says that a model cannot be used, and what to do.
pub(super) fn unusable(fault: canon::Fault, spec: &Spec) -> Failure {
    let about = failed(fault);
    let help = match &spec.base {
        Some(base) => format!(
            "serve an adapter that was made for {base}: --adapter {}=PATH, or the adapter of its [[model]] in the estate",
            spec.id
        ),
        None => "serve another file or folder: --model PATH, or the path of its [[model]] in the estate"
            .to_owned(),
    };
    let path = spec.path.display().to_string();
    // What cannot be read names its file itself.
    let message =
        if about.message.starts_with(&path) { about.message } else { format!("{path}: {}", about.message) };
    Failure { message, ..about }.with_help(help)
}

/// What was fetched besides the default model, which `--model` stands in for.
fn cached(options: &UpOptions, cache: &Cache) -> Vec<Spec> {
    if !options.default_model {
        return Vec::new();
    }
    let fetched = KNOWN.iter().filter(|model| model.id != DEFAULT.id && cache.find(model).is_some());
    fetched.map(|model| with(options, known(cache, model))).collect()
}

fn with(options: &UpOptions, spec: Spec) -> Spec {
    Spec { idle: options.model_idle, kv: options.model_kv, ..spec }
}

fn known(cache: &Cache, model: &KnownModel) -> Spec {
    Spec::new(ModelId::new(model.id), (model.name, model.provider), cache.path_of(model))
}

fn named(path: &Path) -> Spec {
    Spec::new(local_id(path), (&stem(path), "Local"), path.to_owned())
}

/// What an id says behind its provider.
pub(super) fn name_of(id: &ModelId) -> &str {
    id.as_str().split_once('.').map_or(id.as_str(), |(_, name)| name)
}

/// A file's id: `local.` and its name, in the letters that Bedrock allows in an id.
pub(crate) fn local_id(path: &Path) -> ModelId {
    let mut slug = String::new();
    for letter in stem(path).chars().map(|letter| letter.to_ascii_lowercase()) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    // Nothing is left of a name in a script that ids do not have.
    let slug = Some(slug.trim_end_matches('-')).filter(|slug| !slug.is_empty()).unwrap_or("model");
    ModelId::new(format!("local.{slug}-v1:0"))
}

/// A file's name without its extension and, where it is split, its part; a folder's name whole, for it has neither.
fn stem(path: &Path) -> String {
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    name.map_or_else(|| "model".to_owned(), |name| without_part(&name.to_string_lossy()).to_owned())
}

/// `gguf-split` writes `model-00002-of-00005.gguf`.
fn without_part(stem: &str) -> &str {
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = stem.rsplit_once("-of-").and_then(|(start, all)| Some((start.rsplit_once('-')?, all)));
    match parts {
        Some(((whole, part), all)) if number(part) && number(all) => whole,
        _ => stem,
    }
}

#[cfg(test)]
mod tests;
