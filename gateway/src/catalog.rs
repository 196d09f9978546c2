//! Alias → model → deployments.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use access::Permit;
use canon::{Backend, Call, Fault, Modality, ModelCard, ModelId};

/// The routing scopes that Bedrock puts before a model's id to name a system-defined inference profile.
/// Source: "Supported Regions and models for inference profiles", Amazon Bedrock user guide.
const PROFILE_SCOPES: [&str; 9] = ["us.", "eu.", "apac.", "global.", "us-gov.", "jp.", "au.", "ca.", "sa."];

/// One model served on one pool.
pub struct Deployment {
    /// Its name, in receipts and logs.
    pub name: Arc<str>,
    /// What runs it.
    pub backend: Arc<dyn Backend>,
    /// The tokens set aside for calls that it has not finished. Survives a reload that keeps the deployment.
    pub load: Arc<Load>,
}

/// Tokens set aside and not yet settled.
#[derive(Debug, Default)]
pub struct Load(AtomicU64);

impl Load {
    /// The tokens now outstanding.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets `tokens` aside until the guard is dropped.
    #[must_use]
    pub fn hold(self: &Arc<Self>, tokens: u64) -> Held {
        self.0.fetch_add(tokens, Ordering::Relaxed);
        Held { load: Arc::clone(self), tokens }
    }
}

/// Tokens set aside on a deployment; given back on drop.
#[derive(Debug)]
pub struct Held {
    load: Arc<Load>,
    tokens: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.0.fetch_sub(self.tokens, Ordering::Relaxed);
    }
}

/// A model and everything that serves it.
pub struct Entry {
    /// What is published about it.
    pub card: ModelCard,
    /// What serves it; never empty.
    pub deployments: Vec<Arc<Deployment>>,
}

impl Entry {
    /// That the model makes what `call` wants.
    ///
    /// # Errors
    /// [`canon::Kind::Unsupported`], with which calls to make of it instead.
    pub(crate) fn suits(&self, call: &Call) -> Result<(), Fault> {
        let wanted = call.wants();
        if self.card.output.contains(&wanted) {
            return Ok(());
        }
        let remedy = match wanted {
            Modality::Embedding => "makes no embeddings; name a model whose output is EMBEDDING",
            _ if self.card.output.contains(&Modality::Embedding) => {
                "makes embeddings and writes no text; call it by InvokeModel with inputText or texts, or by \
                 POST /v1/embeddings, or name a model whose output is TEXT"
            }
            _ => "writes no text; name a model whose output is TEXT",
        };
        Err(Fault::unsupported("model", format_args!("{} {remedy}", self.card.id)))
    }
}

/// Every model that can be called.
#[derive(Default)]
pub struct Catalog {
    models: BTreeMap<ModelId, Arc<Entry>>,
}

impl Catalog {
    /// Adds `deployment` under the model of `card`; the first card given for a model stands.
    pub fn add(&mut self, card: ModelCard, deployment: Deployment) {
        let deployment = Arc::new(deployment);
        let entry = match self.models.remove(&card.id) {
            None => Entry { card, deployments: vec![deployment] },
            Some(entry) => {
                let mut deployments = entry.deployments.clone();
                deployments.push(deployment);
                Entry { card: entry.card.clone(), deployments }
            }
        };
        self.models.insert(entry.card.id.clone(), Arc::new(entry));
    }

    /// The models, by id.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.models.values()
    }

    /// What is outstanding on the deployment of this name, if there is one.
    #[must_use]
    pub fn load_of(&self, name: &str) -> Option<Arc<Load>> {
        let mut deployments = self.models.values().flat_map(|entry| &entry.deployments);
        deployments.find(|deployment| deployment.name.as_ref() == name).map(|found| Arc::clone(&found.load))
    }

    /// The model that `name` means: its id, a system-defined inference profile of it, or the ARN of either.
    ///
    /// # Errors
    /// [`canon::Kind::UnknownModel`].
    pub fn find(&self, name: &ModelId) -> Result<&Arc<Entry>, Fault> {
        let name = name.as_str();
        let id = match name.strip_prefix("arn:") {
            Some(arn) => arn.rsplit_once('/').map_or("", |(_, id)| id),
            None => name,
        };
        let of_profile = || PROFILE_SCOPES.iter().find_map(|scope| id.strip_prefix(scope));
        self.get(id).or_else(|| self.get(of_profile()?)).ok_or_else(Fault::unknown_model)
    }

    /// Whether `name` means a model that makes embeddings: some bodies can be read only by who knows that.
    #[must_use]
    pub fn makes_embeddings(&self, name: &ModelId) -> bool {
        self.find(name).is_ok_and(|entry| entry.card.output.contains(&Modality::Embedding))
    }

    fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.models.get(&ModelId::new(id))
    }
}

/// A permitted call and the model that it is for.
pub struct Target {
    /// Who asks, and that they may.
    pub permit: Permit,
    /// What they ask.
    pub call: Call,
    /// The model that answers.
    pub entry: Arc<Entry>,
}

#[cfg(test)]
mod tests;
