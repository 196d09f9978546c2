//! The second phase: what the file means.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use canon::{ModelId, Secret};
use http::Uri;
use providers::Deadlines;
use providers::openai::{self, Counter, Dialect};
use toml::Spanned;

use super::fault::{Complaint, EstateFault, Sheet};
use super::raw::{RawDeployment, RawEstate, RawModel, RawProvider, RawSecret};
use super::{Deployment, Model, Provider};
use crate::models;

/// A name's length. Names appear in receipts, logs and metrics.
const NAME_CHARS_MAX: usize = 128;
/// A file that holds a key.
const KEY_BYTES_MAX: u64 = 16 << 10;

/// What the file declares, part by part.
type Parts = (Vec<Arc<Provider>>, Vec<Deployment>, Vec<Model>);
type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

pub(super) fn resolve(sheet: &Sheet<'_>, raw: RawEstate, env: Env<'_>) -> Result<Parts, EstateFault> {
    let mut providers: HashMap<String, Arc<Provider>> = HashMap::new();
    let mut in_order = Vec::with_capacity(raw.providers.len());
    for raw in raw.providers {
        let name = raw.name.clone();
        let provider = Arc::new(provider(sheet, raw, env)?);
        if providers.insert(provider.name.clone(), Arc::clone(&provider)).is_some() {
            return Err(duplicate(sheet, "provider.name", &name));
        }
        in_order.push(provider);
    }
    let mut deployments: Vec<Deployment> = Vec::with_capacity(raw.deployments.len());
    let mut names = HashMap::new();
    for raw in raw.deployments {
        let place = raw.name.as_ref().map_or(raw.span.clone(), Spanned::span);
        let deployment = deployment(sheet, raw, &providers)?;
        if names.insert(deployment.name.clone(), ()).is_some() {
            return Err(duplicate(sheet, "deployment.name", &Spanned::new(place, deployment.name)));
        }
        deployments.push(deployment);
    }
    let mut models: Vec<Model> = Vec::with_capacity(raw.models.len());
    for raw in raw.models {
        let id = raw.id.clone();
        let model = model(sheet, raw)?;
        if models.iter().any(|other| other.id == model.id) {
            return Err(duplicate(sheet, "model.id", &id));
        }
        models.push(model);
    }
    Ok((in_order, deployments, models))
}

fn model(sheet: &Sheet<'_>, raw: RawModel) -> Result<Model, EstateFault> {
    plain(sheet, "model.id", &raw.id)?;
    let base = base(sheet, &raw)?;
    let (key, named) = if base.is_some() { ("model.adapter", raw.adapter) } else { ("model.path", raw.path) };
    let path = named.map(|path| there(sheet, key, &path)).transpose()?;
    let kv = raw.kv.map(|kv| {
        let wrong = |_| {
            let complaint =
                Complaint::new(format!("there is no kind {:?}", kv.get_ref()), "Write \"f16\" or \"int8\".");
            sheet.fault(kv.span(), "model.kv", complaint)
        };
        kv.get_ref().parse().map_err(wrong)
    });
    let kv = kv.transpose()?;
    if path.is_none() && models::find(raw.id.get_ref()).is_none_or(|known| known.id != raw.id.get_ref()) {
        let message = "is no model that Outcrop knows how to get, and no path says where it is";
        let remedy =
            "Add a line such as: path = \"model.gguf\"; `outcrop pull --list` shows the known models.";
        return Err(sheet.fault(raw.id.span(), "model.id", Complaint::new(message, remedy)));
    }
    Ok(Model {
        id: ModelId::new(raw.id.into_inner()),
        path,
        base,
        name: raw.name.map(Spanned::into_inner),
        pinned: raw.pin,
        context_tokens_max: raw.context_tokens_max.and_then(|tokens| tokens.try_into().ok()),
        kv_bytes_max: raw.kv_mib_max.map(|mib| mib << 20),
        kv,
        idle: raw.idle_s.map(Duration::from_secs),
    })
}

/// A tuned model is a base and an adapter, and says nothing that is its base's to say.
fn base(sheet: &Sheet<'_>, raw: &RawModel) -> Result<Option<ModelId>, EstateFault> {
    let fault = |at: &Spanned<String>, key: &str, message: &str, remedy: &str| {
        Err(sheet.fault(at.span(), key, Complaint::new(message, remedy)))
    };
    let (base, adapter) = match (&raw.base, &raw.adapter) {
        (None, None) => return Ok(None),
        (Some(base), Some(adapter)) => (base, adapter),
        (Some(base), None) => {
            let remedy = "Add a line such as: adapter = \"my-adapter\", a PEFT folder or a GGUF adapter.";
            return fault(base, "model.base", "stands without an adapter", remedy);
        }
        (None, Some(adapter)) => {
            let remedy =
                "Add a line such as: base = \"acme.tiny-v1:0\", the id of the model that it changes.";
            return fault(adapter, "model.adapter", "stands without a base", remedy);
        }
    };
    plain(sheet, "model.base", base)?;
    if base.get_ref() == raw.id.get_ref() {
        return fault(base, "model.base", "is the model itself", "Give the tuned model an id of its own.");
    }
    if let Some(path) = &raw.path {
        let remedy = "Remove the path; that of the base is the base's [[model]]'s to say.";
        return fault(path, "model.path", "stands beside an adapter", remedy);
    }
    if raw.context_tokens_max.is_some() || raw.kv_mib_max.is_some() || raw.kv.is_some() {
        let remedy = "Say context_tokens_max, kv_mib_max and kv in the base's [[model]], whose context and memory it shares.";
        return fault(adapter, "model.adapter", "has no context and no keys and values of its own", remedy);
    }
    Ok(Some(ModelId::new(base.get_ref().as_str())))
}

/// A file or folder that is there.
fn there(sheet: &Sheet<'_>, key: &str, path: &Spanned<String>) -> Result<PathBuf, EstateFault> {
    let found = beside(sheet.file, path.get_ref());
    if let Ok(true) = found.try_exists() {
        return Ok(found);
    }
    let remedy = "Name a file or folder that this user may read; a path is relative to the estate file.";
    let complaint = Complaint::new(format!("{} is not there", found.display()), remedy);
    Err(sheet.fault(path.span(), key, complaint))
}

fn provider(sheet: &Sheet<'_>, raw: RawProvider, env: Env<'_>) -> Result<Provider, EstateFault> {
    plain(sheet, "provider.name", &raw.name)?;
    if raw.kind.get_ref() != "openai" {
        let remedy = "Write \"openai\": any server that speaks OpenAI's Chat Completions.";
        let complaint = Complaint::new(format!("there is no kind {:?}", raw.kind.get_ref()), remedy);
        return Err(sheet.fault(raw.kind.span(), "provider.kind", complaint));
    }
    let base_url = base_url(sheet, &raw.base_url)?;
    let api_key = raw.api_key.map(|secret| api_key(sheet, secret, env)).transpose()?;
    let (mut dialect, usual_counter) = match &raw.dialect {
        None => DIALECTS[0].1,
        Some(name) => one_of(sheet, "provider.dialect", name, &DIALECTS)?,
    };
    let counter = match &raw.counter {
        None => usual_counter,
        Some(name) => one_of(sheet, "provider.counter", name, &COUNTERS)?,
    };
    for (member, truth) in raw.takes {
        *member(&mut dialect) = truth;
    }
    let mut deadlines = Deadlines::default();
    for (member, ms) in raw.waits {
        *member(&mut deadlines) = Duration::from_millis(ms);
    }
    Ok(Provider { name: raw.name.into_inner(), base_url, api_key, dialect, counter, deadlines })
}

fn deployment(
    sheet: &Sheet<'_>,
    raw: RawDeployment,
    providers: &HashMap<String, Arc<Provider>>,
) -> Result<Deployment, EstateFault> {
    plain(sheet, "deployment.model", &raw.model)?;
    if let Some(name) = &raw.name {
        plain(sheet, "deployment.name", name)?;
    }
    let Some(provider) = providers.get(raw.provider.get_ref()) else {
        let mut known: Vec<_> = providers.keys().map(String::as_str).collect();
        known.sort_unstable();
        let remedy = match &known[..] {
            [] => "Declare it in a [[provider]] table.".to_owned(),
            known => {
                format!("Declare it in a [[provider]] table, or name one of these: {}.", known.join(", "))
            }
        };
        let message = format!("there is no provider {:?}", raw.provider.get_ref());
        return Err(sheet.fault(raw.provider.span(), "deployment.provider", Complaint::new(message, remedy)));
    };
    let mut capabilities = openai::capabilities(&provider.dialect);
    for (member, truth) in raw.capabilities {
        *member(&mut capabilities) = truth;
    }
    let upstream_model = raw.upstream_model.into_inner();
    Ok(Deployment {
        name: raw.name.map_or_else(|| format!("{}/{upstream_model}", provider.name), Spanned::into_inner),
        model: ModelId::new(raw.model.into_inner()),
        provider: Arc::clone(provider),
        upstream_model,
        capabilities,
        context_tokens_max: raw.context_tokens_max,
        calls_max: raw.calls_max.and_then(|calls| calls.try_into().ok()).unwrap_or(openai::CALLS_MAX),
    })
}

/// The dialects by name, the usual one first, each with the way of counting that its servers have.
const DIALECTS: [(&str, (Dialect, Counter)); 6] = [
    ("vllm", (Dialect::VLLM, Counter::Vllm)),
    ("llama.cpp", (Dialect::LLAMA_CPP, Counter::LlamaCpp)),
    ("llama-cpp-python", (Dialect::LLAMA_CPP_PYTHON, Counter::None)),
    ("ollama", (Dialect::OLLAMA, Counter::None)),
    ("openai", (Dialect::OPENAI, Counter::None)),
    ("outcrop", (Dialect::OUTCROP, Counter::Outcrop)),
];

const COUNTERS: [(&str, Counter); 4] = [
    ("none", Counter::None),
    ("vllm", Counter::Vllm),
    ("llama.cpp", Counter::LlamaCpp),
    ("outcrop", Counter::Outcrop),
];

fn one_of<T: Copy>(
    sheet: &Sheet<'_>,
    key: &str,
    name: &Spanned<String>,
    known: &[(&str, T)],
) -> Result<T, EstateFault> {
    if let Some((_, value)) = known.iter().find(|(known, _)| known == name.get_ref()) {
        return Ok(*value);
    }
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let complaint =
        Complaint::new(format!("there is no {:?}", name.get_ref()), format!("Known: {}.", names.join(", ")));
    Err(sheet.fault(name.span(), key, complaint))
}

/// A name that can stand in a receipt, a log line and a metric's label.
fn plain(sheet: &Sheet<'_>, key: &str, name: &Spanned<String>) -> Result<(), EstateFault> {
    let is_plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '"' | '\\' | '{' | '}');
    if name.get_ref().chars().all(is_plain) && name.get_ref().len() <= NAME_CHARS_MAX {
        return Ok(());
    }
    let remedy = format!(
        "Use at most {NAME_CHARS_MAX} letters, digits and signs of ASCII, without spaces, quotes and braces."
    );
    Err(sheet.fault(name.span(), key, Complaint::new("cannot be used as a name", remedy)))
}

fn duplicate(sheet: &Sheet<'_>, key: &str, name: &Spanned<String>) -> EstateFault {
    let remedy = "Give one of them another name.";
    sheet.fault(
        name.span(),
        key,
        Complaint::new(format!("there are two of the name {:?}", name.get_ref()), remedy),
    )
}

/// A URL that paths can be appended to.
fn base_url(sheet: &Sheet<'_>, url: &Spanned<String>) -> Result<String, EstateFault> {
    let text = url.get_ref().trim_end_matches('/');
    let problem = match text.parse::<Uri>() {
        Err(error) => format!("is not a URL: {error}"),
        Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) => {
            "does not begin with http:// or https://".to_owned()
        }
        Ok(uri) if uri.host().is_none_or(str::is_empty) => "names no host".to_owned(),
        Ok(uri) if uri.query().is_some() || text.contains('#') => "has a query or a fragment".to_owned(),
        Ok(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            "holds a password, which would be shown".to_owned()
        }
        Ok(_) => return Ok(text.to_owned()),
    };
    let remedy =
        "Write where the server's API begins, such as http://127.0.0.1:8000/v1; a key belongs in api_key.";
    Err(sheet.fault(url.span(), "provider.base_url", Complaint::new(problem, remedy)))
}

/// Fetches a secret. No message holds any of it.
fn api_key(sheet: &Sheet<'_>, secret: RawSecret, env: Env<'_>) -> Result<Secret, EstateFault> {
    let (key, span, found) = match secret {
        RawSecret::Env(name) => {
            let variable = name.get_ref();
            let remedy = format!("Set it where Outcrop starts: export {variable}=…");
            let found = env(variable).ok_or_else(|| Complaint::new(format!("{variable} is not set"), remedy));
            ("provider.api_key.env", name.span(), found)
        }
        RawSecret::File(path) => ("provider.api_key.file", path.span(), key_file(sheet.file, path.get_ref())),
    };
    let usable = |text: String| {
        let secret = text.trim();
        if secret.is_empty() {
            return Err(Complaint::new("holds no key", "Put the provider's key there, and nothing else."));
        }
        if !secret.chars().all(|letter| letter.is_ascii_graphic()) {
            return Err(Complaint::new(
                "holds what cannot be a key",
                "A key is one word of visible ASCII characters.",
            ));
        }
        Ok(Secret::new(secret))
    };
    found.and_then(usable).map_err(|complaint| sheet.fault(span, key, complaint))
}

/// A path in an estate file is relative to that file.
fn beside(estate: &Path, path: &str) -> PathBuf {
    estate.parent().unwrap_or(Path::new("")).join(path)
}

fn key_file(estate: &Path, path: &str) -> Result<String, Complaint> {
    let path = beside(estate, path);
    super::fault::read(&path, KEY_BYTES_MAX).map_err(|fault| {
        let message = format!("{} cannot be read: {}", path.display(), fault.message);
        Complaint::new(message, "Name a file that this user may read; a path is relative to the estate file.")
    })
}
