use std::path::Path;
use std::sync::Arc;

use canon::{Backend, Modality, ModelCard, ModelId};
use engine::{Encoder, EncoderOptions, Engine};
use gateway::Clock as _;
use gateway::catalog::{Catalog, Deployment, Load};
use providers::openai::OpenAi;

use super::{UpOptions, failed};
use crate::Failure;
use crate::estate::{Estate, EstateFault};
use crate::models::{Cache, DEFAULT, MINILM, Progress};
use crate::ports::WallClock;

/// The name of the deployment in this process.
const EMBEDDED: &str = "embedded";
/// The name of the deployment in this process that makes embeddings.
const ENCODER: &str = "embedded-encoder";

/// Everything that serves a model: this process, and what the estate declares.
pub(super) struct Deployments {
    embedded: Option<(ModelCard, Arc<dyn Backend>)>,
    /// The model for embeddings, where it was fetched.
    encoder: Option<(ModelCard, Arc<dyn Backend>)>,
    estate: Option<Estate>,
    since_ms: u64,
}

impl Deployments {
    /// Reads the estate and loads the model, which is fetched first where it is not here.
    pub(super) async fn load(options: &UpOptions, progress: &dyn Progress) -> Result<Self, Failure> {
        // The estate comes first: a fault in it is told before anything is fetched.
        let estate = options.estate.as_deref().map(read).transpose()?;
        let since_ms = WallClock.now_ms();
        let embedded = embedded(options, since_ms, progress).await?;
        let encoder = encoder(options, since_ms).await?;
        let all = Self { embedded, encoder, estate, since_ms };
        all.serve_something()?;
        Ok(all)
    }

    /// Reads the estate again, for what can be called from now on; after a failure everything is as before.
    pub(super) fn reload(&mut self, old: &Catalog) -> Result<Catalog, Failure> {
        let estate = self.estate.as_ref().map(|estate| read(&estate.file)).transpose()?;
        let (embedded, encoder) = (self.embedded.clone(), self.encoder.clone());
        let next = Self { embedded, encoder, estate, since_ms: self.since_ms };
        next.serve_something()?;
        let catalog = next.catalog(Some(old))?;
        *self = next;
        Ok(catalog)
    }

    fn serve_something(&self) -> Result<(), Failure> {
        if self.embedded.is_none() && self.estate.as_ref().is_none_or(|estate| estate.deployments.is_empty())
        {
            return Err(Failure::usage("there is nothing to serve")
                .with_help("name an --estate with deployments, or leave --no-default-model away"));
        }
        Ok(())
    }

    /// What can be called. Deployments that `old` has too keep what is outstanding on them.
    pub(super) fn catalog(&self, old: Option<&Catalog>) -> Result<Catalog, Failure> {
        let load = |name: &str| old.and_then(|old| old.load_of(name)).unwrap_or_default();
        let mut catalog = Catalog::default();
        for (name, served) in [(EMBEDDED, &self.embedded), (ENCODER, &self.encoder)] {
            if let Some((card, backend)) = served {
                catalog.add(card.clone(), deployment(name, Arc::clone(backend), load(name)));
            }
        }
        for declared in self.estate.iter().flat_map(|estate| &estate.deployments) {
            let backend = Arc::new(OpenAi::new(declared.config()).map_err(failed)?);
            let card = remote_card(&declared.model, declared.context_tokens_max, self.since_ms);
            catalog.add(card, deployment(&declared.name, backend, load(&declared.name)));
        }
        Ok(catalog)
    }

    /// The estate in force, for the audit trail.
    pub(super) fn describe(&self) -> Option<String> {
        self.estate.as_ref().map(|estate| format!("{}, SHA-256 {}", estate.file.display(), estate.sha256))
    }
}

fn deployment(name: &str, backend: Arc<dyn Backend>, load: Arc<Load>) -> Deployment {
    Deployment { name: name.into(), backend, load }
}

fn read(path: &Path) -> Result<Estate, Failure> {
    Estate::load(path, &|name| std::env::var(name).ok()).map_err(|fault: EstateFault| {
        let help = fault.remedy.clone();
        Failure::usage(fault.to_string()).with_help(help)
    })
}

/// The model of this process: the file that was named, or the default one.
async fn embedded(
    options: &UpOptions,
    since_ms: u64,
    progress: &dyn Progress,
) -> Result<Option<(ModelCard, Arc<dyn Backend>)>, Failure> {
    let (path, id, name, provider) = match &options.model {
        Some(path) => (path.clone(), local_id(path), stem(path), "Local".to_owned()),
        None if !options.default_model => return Ok(None),
        None => {
            let path = Cache::new(options.model_dir.clone())?.pull(DEFAULT, progress).await?;
            (path, ModelId::new(DEFAULT.id), DEFAULT.name.to_owned(), DEFAULT.provider.to_owned())
        }
    };
    let mut limits = engine::Options::default();
    if let Some(threads) = options.threads {
        limits.threads = threads;
    }
    let loading = tokio::task::spawn_blocking(move || Engine::load(&path, &limits)).await;
    let engine =
        loading.map_err(|error| Failure::internal(format!("the model could not be loaded: {error}")))?;
    let engine =
        engine.map_err(|fault| failed(fault).with_help("serve another file with --model PATH.gguf"))?;
    let card = ModelCard {
        id,
        name,
        provider,
        input: vec![Modality::Text],
        output: vec![Modality::Text],
        context_tokens_max: Some(engine.facts().context_tokens as u64),
        since_ms,
    };
    Ok(Some((card, Arc::new(engine))))
}

/// The model for embeddings, where it lies in the cache. Nothing is fetched for it: `outcrop pull` does that.
async fn encoder(
    options: &UpOptions,
    since_ms: u64,
) -> Result<Option<(ModelCard, Arc<dyn Backend>)>, Failure> {
    if !options.default_model {
        return Ok(None);
    }
    let cache = Cache::new(options.model_dir.clone())?;
    let threads = options.threads;
    let loading = tokio::task::spawn_blocking(move || {
        let Some(folder) = cache.find(&MINILM) else { return Ok(None) };
        let usual = EncoderOptions::default();
        let options =
            EncoderOptions { threads: threads.map_or(usual.threads, |threads| threads.div_ceil(2)) };
        Encoder::load(&folder, &options).map(Some)
    });
    let loaded = loading
        .await
        .map_err(|error| Failure::internal(format!("the encoder could not be loaded: {error}")))?;
    Ok(loaded.map_err(failed)?.map(|encoder| {
        let card = ModelCard {
            id: ModelId::new(MINILM.id),
            name: MINILM.name.to_owned(),
            provider: MINILM.provider.to_owned(),
            input: vec![Modality::Text],
            output: vec![Modality::Embedding],
            context_tokens_max: Some(encoder.facts().text_tokens_max as u64),
            since_ms,
        };
        (card, Arc::new(encoder) as Arc<dyn Backend>)
    }))
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

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// What an estate says of a model: its id tells the rest.
fn remote_card(id: &ModelId, context_tokens_max: Option<u64>, since_ms: u64) -> ModelCard {
    let name = id.as_str().split_once('.').map_or(id.as_str(), |(_, name)| name);
    ModelCard {
        id: id.clone(),
        name: name.to_owned(),
        provider: id.provider().to_owned(),
        input: vec![Modality::Text],
        output: vec![Modality::Text],
        context_tokens_max,
        since_ms,
    }
}

#[cfg(test)]
mod tests;
