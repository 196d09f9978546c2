//! The one task that loads and unloads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use canon::Fault;

use super::super::kind::{Opened, Tell};
use super::super::shelf::{Key, Refusal, Step};
use super::super::show_size;
use super::{Loader, Model, Models, refusal};

impl Loader {
    /// Loads and unloads as it is wanted, for ever. There is one of it.
    pub(crate) async fn work(self: Arc<Self>) {
        loop {
            let now_ms = self.now_ms();
            let step = {
                let mut models = self.lock();
                models.sweep();
                models.shelf.next(now_ms)
            };
            match step {
                Step::Load(key, bytes) => self.load(key, bytes).await,
                Step::Unload(key) => self.unload(key).await,
                Step::Refuse(key, why) => self.refuse(key, why),
                Step::Open(key) => self.lock().tell(key),
                Step::Rest(None) => self.work.notified().await,
                Step::Rest(Some(until_ms)) => {
                    let until = Duration::from_millis(until_ms.saturating_sub(now_ms).max(1));
                    // Late is as good as woken.
                    drop(tokio::time::timeout(until, self.work.notified()).await);
                }
            }
        }
    }

    async fn load(&self, key: Key, bytes: u64) {
        let (began, began_ms) = (Instant::now(), self.now_ms());
        let (spec, outlined, open, quiet) = {
            let models = self.lock();
            let Some(model) = models.all.get(&key) else { return };
            model.progress.tell(0, 0);
            let parts = (Arc::clone(&model.spec), Arc::clone(&model.outlined));
            (parts.0, parts.1, self.opening(&models, key, model), models.shelf.is_quiet())
        };
        tracing::info!(model = %spec.id, memory = show_size(bytes), "loading");
        let (kinds, kv_bytes) = (Arc::clone(&self.kinds), bytes.saturating_sub(outlined.bytes));
        let opened = tokio::task::spawn_blocking(move || {
            let before = kinds.held_bytes();
            let opened = open(kv_bytes);
            let grown = kinds.held_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
            (opened, grown)
        });
        let (opened, grown) = opened.await.unwrap_or_else(|error| (Err(Fault::internal(error)), None));
        let (now_ms, mut models) = (self.now_ms(), self.lock());
        match opened {
            Ok(Opened { backend, context_tokens, tunes }) => {
                // What grew meanwhile is this model's only if nobody else was at work.
                let measured = grown.filter(|_| quiet && models.shelf.is_quiet());
                let taken = measured.map_or(bytes, |grown| bytes.max(grown + kv_bytes));
                models.shelf.loaded(key, taken, (began_ms, now_ms));
                for tuned in models.shelf.family(key) {
                    if let Some(model) = models.all.get_mut(&tuned) {
                        model.trouble = None;
                    }
                }
                if let Some(model) = models.all.get_mut(&key) {
                    (model.backend, model.tunes) = (Some(backend), tunes);
                    model.context_tokens = context_tokens;
                }
                let (memory, ms) = (show_size(taken), began.elapsed().as_millis());
                let measured = measured.map(show_size).unwrap_or_default();
                tracing::info!(model = %spec.id, memory, measured, ms, context_tokens, "loaded");
            }
            Err(fault) => {
                let detail = fault.detail().unwrap_or_default();
                tracing::error!(model = %spec.id, %fault, detail, "the model could not be loaded");
                models.shelf.failed(key, now_ms);
                models.trouble(key, &fault);
            }
        }
        models.tell(key);
    }

    /// How the model is loaded, given the memory for its keys and values: from its file, or by its base.
    fn opening(
        &self,
        models: &Models,
        key: Key,
        model: &Model,
    ) -> Box<dyn FnOnce(u64) -> Result<Opened, Fault> + Send> {
        let (spec, progress) = (Arc::clone(&model.spec), Arc::clone(&model.progress));
        let Some(base) = models.shelf.place(key).and_then(|place| place.base) else {
            let tell: Tell = Box::new(move |done, all| progress.tell(done, all));
            let kinds = Arc::clone(&self.kinds);
            return Box::new(move |kv_bytes| kinds.open(&spec, kv_bytes, tell));
        };
        let base = models.all.get(&base);
        let (tunes, context_tokens) =
            (base.and_then(|base| base.tunes.clone()), base.map_or(0, |base| base.context_tokens));
        Box::new(move |_| {
            let tunes = tunes.ok_or_else(|| Fault::internal("the base of a tuned model is not in memory"))?;
            Ok(Opened { backend: tunes.tune(&spec.path)?, context_tokens, tunes: None })
        })
    }

    async fn unload(&self, key: Key) {
        let began = Instant::now();
        let (spec, held) = {
            let mut models = self.lock();
            let Some(model) = models.all.get_mut(&key) else { return };
            (Arc::clone(&model.spec), (model.backend.take(), model.tunes.take()))
        };
        let kinds = Arc::clone(&self.kinds);
        let freed = tokio::task::spawn_blocking(move || {
            let before = kinds.held_bytes();
            // Its threads end here, which may take as long as a step of the engine.
            drop(held);
            engine::give_memory_back();
            kinds.held_bytes().zip(before).map(|(after, before)| before.saturating_sub(after))
        });
        let freed = freed.await.ok().flatten().map(show_size).unwrap_or_default();
        tracing::info!(model = %spec.id, freed, ms = began.elapsed().as_millis(), "unloaded");
        let mut models = self.lock();
        models.shelf.unloaded(key);
        models.tell(key);
    }

    fn refuse(&self, key: Key, why: Refusal) {
        let mut models = self.lock();
        let Some(model) = models.all.get(&key) else { return };
        let least = models.shelf.place(key).map_or(0, |place| place.wants.least);
        let fault = refusal(why, &model.spec, least, self.limits.bytes_max);
        tracing::warn!(model = %model.spec.id, %fault, "the model is refused");
        models.trouble(key, &fault);
        models.tell(key);
    }
}

impl Models {
    /// Those that wait for the model, or for what is tuned of it, look again.
    fn tell(&self, key: Key) {
        for key in self.shelf.family(key) {
            if let Some(model) = self.all.get(&key) {
                model.changed.notify_waiters();
            }
        }
    }

    /// It cannot be had for now, nor what is tuned of it.
    fn trouble(&mut self, key: Key, fault: &Fault) {
        for key in self.shelf.family(key) {
            if let Some(model) = self.all.get_mut(&key) {
                model.trouble = Some(fault.clone());
                model.troubles += 1;
            }
        }
    }

    /// Forgets what is no longer declared and no longer there.
    fn sweep(&mut self) {
        let shelf = &mut self.shelf;
        self.all.retain(|key, model| {
            let stays = !model.retired || shelf.is_used(*key);
            if !stays {
                shelf.remove(*key);
            }
            stays
        });
    }
}
