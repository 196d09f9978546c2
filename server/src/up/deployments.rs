use std::path::Path;
use std::sync::Arc;

use canon::{Backend, Modality, ModelCard, ModelId};
use gateway::Clock as _;
use gateway::catalog::{Catalog, Deployment};
use providers::openai::OpenAi;

use super::declared::{Declared, declare, unusable};
use super::{UpOptions, failed};
use crate::Failure;
use crate::estate::{Estate, EstateFault};
use crate::local::{Files, Limits, Loader, OnDemand, Outlined, Spec};
use crate::models::{Cache, DEFAULT, Progress};
use crate::ports::WallClock;

/// What the deployments of this process are called, before the model's id.
const EMBEDDED: &str = "embedded";

/// Everything that serves a model: this process, and what the estate declares.
pub(crate) struct Deployments {
    options: UpOptions,
    cache: Cache,
    pub(crate) loader: Arc<Loader>,
    since_ms: u64,
    estate: Option<Estate>,
    served: Vec<Served>,
    /// Models that must be in memory before anything is served.
    first: Vec<(Spec, u64)>,
}

/// A model, by one of those that serve it.
struct Served {
    card: ModelCard,
    name: String,
    backend: Arc<dyn Backend>,
}

/// What was read, and is not yet in force.
struct Plan {
    estate: Option<Estate>,
    declared: Declared,
    remote: Vec<Served>,
}

impl Deployments {
    /// Reads the estate and finds the models, the default one of which is fetched first where it is not here. None is
    /// loaded yet.
    pub(crate) async fn load(options: &UpOptions, progress: &dyn Progress) -> Result<Self, Failure> {
        // The estate comes first: a fault in it is told before anything is fetched.
        options.estate.as_deref().map(read).transpose()?;
        let cache = Cache::new(options.model_dir.clone())?;
        if options.models.is_empty() && options.default_model {
            cache.pull(DEFAULT, progress).await?;
        }
        let limits = Limits { bytes_max: options.model_memory_max, wait: options.model_wait };
        let loader = Arc::new(Loader::new(Arc::new(Files { threads: options.threads }), limits));
        let mut all = Self {
            options: options.clone(),
            cache,
            loader,
            since_ms: WallClock.now_ms(),
            estate: None,
            served: Vec::new(),
            first: Vec::new(),
        };
        let plan = all.plan().await?;
        all.adopt(plan);
        Ok(all)
    }

    /// Loads what must be in memory before anything is served.
    pub(super) async fn bring(&self) -> Result<(), Failure> {
        for (spec, key) in &self.first {
            self.loader.bring(*key).await.map_err(|fault| unusable(fault, spec))?;
        }
        Ok(())
    }

    /// Reads the estate and the cache again, for what can be called from now on; after a failure everything is as
    /// before. What is loaded stays so.
    pub(crate) async fn reload(&mut self, old: &Catalog) -> Result<Catalog, Failure> {
        let plan = self.plan().await?;
        self.adopt(plan);
        Ok(self.catalog(Some(old)))
    }

    /// What can be called. Deployments that `old` has too keep what is outstanding on them.
    pub(crate) fn catalog(&self, old: Option<&Catalog>) -> Catalog {
        let mut catalog = Catalog::default();
        for Served { card, name, backend } in &self.served {
            let load = old.and_then(|old| old.load_of(name)).unwrap_or_default();
            let deployment = Deployment { name: name.as_str().into(), backend: Arc::clone(backend), load };
            catalog.add(card.clone(), deployment);
        }
        catalog
    }

    /// The ids of all models, in the order in which they were declared.
    pub(super) fn ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for id in self.served.iter().map(|served| served.card.id.to_string()) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// The estate in force, for the audit trail.
    pub(super) fn describe(&self) -> Option<String> {
        self.estate.as_ref().map(|estate| format!("{}, SHA-256 {}", estate.file.display(), estate.sha256))
    }

    async fn plan(&self) -> Result<Plan, Failure> {
        let (options, cache, loader) = (self.options.clone(), self.cache.clone(), Arc::clone(&self.loader));
        let since_ms = self.since_ms;
        let plan = tokio::task::spawn_blocking(move || {
            let estate = options.estate.as_deref().map(read).transpose()?;
            let declared = declare(&options, &cache, estate.as_ref(), &loader)?;
            let remote =
                estate.iter().flat_map(|estate| remote(estate, since_ms)).collect::<Result<Vec<_>, _>>()?;
            Ok(Plan { estate, declared, remote })
        });
        let plan: Plan = plan
            .await
            .unwrap_or_else(|error| Err(Failure::internal(format!("cannot find the models: {error}"))))?;
        if plan.declared.models.is_empty() && plan.remote.is_empty() {
            return Err(Failure::usage("there is nothing to serve")
                .with_help("name an --estate with deployments or models, or leave --no-default-model away"));
        }
        Ok(plan)
    }

    fn adopt(&mut self, Plan { estate, declared, remote }: Plan) {
        let Declared { models, first } = declared;
        let keys = self.loader.declare(models.clone());
        let needed = |spec: &Spec| spec.pinned || first.as_ref() == Some(&spec.id);
        let all = models.iter().zip(&keys);
        self.first =
            all.filter(|((spec, _), _)| needed(spec)).map(|((spec, _), key)| (spec.clone(), *key)).collect();
        self.served = Vec::new();
        for ((spec, outlined), key) in models.into_iter().zip(keys) {
            self.served.push(Served {
                card: local_card(&spec, &outlined, self.since_ms),
                name: format!("{EMBEDDED}/{}", spec.id),
                backend: Arc::new(OnDemand::new(Arc::clone(&self.loader), key, outlined.into())),
            });
        }
        self.served.extend(remote);
        self.estate = estate;
    }
}

fn read(path: &Path) -> Result<Estate, Failure> {
    Estate::load(path, &|name| std::env::var(name).ok()).map_err(|fault: EstateFault| {
        let help = fault.remedy.clone();
        Failure::usage(fault.to_string()).with_help(help)
    })
}

fn local_card(spec: &Spec, outlined: &Outlined, since_ms: u64) -> ModelCard {
    ModelCard {
        id: spec.id.clone(),
        name: spec.name.clone(),
        provider: spec.provider.clone(),
        input: outlined.input.clone(),
        output: outlined.output.clone(),
        context_tokens_max: Some(outlined.context_tokens as u64),
        since_ms,
    }
}

/// What the estate declares on other servers.
fn remote(estate: &Estate, since_ms: u64) -> impl Iterator<Item = Result<Served, Failure>> {
    estate.deployments.iter().map(move |declared| {
        let backend = Arc::new(OpenAi::new(declared.config()).map_err(failed)?);
        let card = remote_card(&declared.model, declared.context_tokens_max, since_ms);
        Ok(Served { card, name: declared.name.clone(), backend })
    })
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
