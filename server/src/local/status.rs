//! What an operator sees of the models of this process, and does to them.

use canon::{Fault, Kind, ModelId};

use super::Loader;
use super::loader::Model;
use super::shelf::{Key, Place, State};

/// The models, and the memory that they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// What models may take together.
    pub bytes_max: u64,
    /// What is set aside for those in memory.
    pub bytes: u64,
    /// The models, by id.
    pub models: Vec<ModelStatus>,
}

/// A model, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelStatus {
    /// The name that calls use.
    pub id: ModelId,
    /// The model that its adapter changes, if it is a tuned one.
    pub base: Option<ModelId>,
    /// Whether it is in memory.
    pub state: ModelState,
    /// It stays in memory.
    pub pinned: bool,
    /// What is set aside for it, or, where it is not in memory, what it wants; of a tuned model, for its adapter alone.
    pub bytes: u64,
    /// Prompt and answer together, in tokens.
    pub context_tokens: u64,
    /// Calls under way.
    pub calls: u64,
    /// Calls that wait for it.
    pub waiting: u64,
    /// How far its load is, where it is being loaded and that is known.
    pub percent: Option<u8>,
    /// How long its last load took, in milliseconds.
    pub load_ms: Option<u64>,
    /// How long nobody has used it, in milliseconds.
    pub idle_ms: Option<u64>,
    /// Why it could not be loaded.
    pub fault: Option<String>,
}

/// Whether a model is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelState {
    /// It is not; the next call loads it.
    Unloaded,
    /// Its last load failed; a call after a pause tries again.
    Failed,
    /// It is being loaded.
    Loading,
    /// It takes calls.
    Loaded,
    /// It goes when its calls have ended.
    Draining,
    /// It is on its way out.
    Unloading,
}

impl ModelState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Unloaded, Self::Failed, Self::Loading, Self::Loaded, Self::Draining, Self::Unloading];

    /// The state in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unloaded => "unloaded",
            Self::Failed => "failed",
            Self::Loading => "loading",
            Self::Loaded => "loaded",
            Self::Draining => "draining",
            Self::Unloading => "unloading",
        }
    }

    fn of(place: &Place, model: &Model) -> Self {
        match place.state {
            State::Out if model.trouble.is_some() => Self::Failed,
            State::Out => Self::Unloaded,
            State::Loading => Self::Loading,
            State::Ready => Self::Loaded,
            State::Draining => Self::Draining,
            State::Unloading => Self::Unloading,
        }
    }
}

impl Loader {
    /// How the models stand.
    pub(crate) fn shelved(&self) -> Shelved {
        let now_ms = self.now_ms();
        let models = self.lock();
        let mut all: Vec<_> = models
            .declared()
            .filter_map(|(key, model)| Some(status(models.shelf.place(key)?, model, now_ms)))
            .collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        Shelved { bytes_max: models.shelf.bytes_max, bytes: models.shelf.held_bytes(), models: all }
    }

    /// How one model stands.
    ///
    /// # Errors
    /// [`Kind::UnknownModel`] where this process has none of this id.
    pub(crate) fn status(&self, id: &ModelId) -> Result<ModelStatus, Fault> {
        let (key, now_ms) = (self.key(id)?, self.now_ms());
        let models = self.lock();
        let found = models.all.get(&key).zip(models.shelf.place(key));
        found.map(|(model, place)| status(place, model, now_ms)).ok_or_else(Fault::unknown_model)
    }

    /// Begins to load a model, though nobody calls it.
    ///
    /// # Errors
    /// As for [`Self::status`].
    pub(crate) fn ask(&self, id: &ModelId) -> Result<ModelStatus, Fault> {
        let key = self.key(id)?;
        self.change(|models| {
            if let Some(model) = models.all.get_mut(&key) {
                model.trouble = None;
            }
            models.shelf.ask(key);
        });
        self.status(id)
    }

    /// Unloads a model when its calls have ended, and what is tuned of it too; those that come meanwhile wait, and it is loaded again for them.
    ///
    /// # Errors
    /// As for [`Self::status`], and [`Kind::Malformed`] for a model that is pinned, or the base of one that is.
    pub(crate) fn dismiss(&self, id: &ModelId) -> Result<ModelStatus, Fault> {
        let key = self.key(id)?;
        if let Some(pinned) = self.lock().pinned(key) {
            return Err(Fault::malformed("", format!("{pinned} is pinned. Unpin it, then unload {id}.")));
        }
        self.change(|models| models.shelf.dismiss(key));
        self.status(id)
    }

    /// Pins a model, which loads it and keeps it in memory, or lets it make way for others again.
    ///
    /// # Errors
    /// As for [`Self::status`], and [`Kind::NoCapacity`] where what is pinned already leaves no room for it.
    pub(crate) fn pin(&self, id: &ModelId, pinned: bool) -> Result<ModelStatus, Fault> {
        let key = self.key(id)?;
        if pinned && !self.lock().shelf.can_pin(key) {
            let message = format!(
                "{id} does not fit beside what is pinned. Unpin another model, or raise --model-memory-max."
            );
            return Err(Fault::new(Kind::NoCapacity, message));
        }
        self.change(|models| {
            models.shelf.pin(key, pinned);
            // What was refused because of a pin may fit now.
            let refused = |fault: &Fault| *fault.kind() == Kind::NoCapacity;
            for model in models.all.values_mut().filter(|model| model.trouble.as_ref().is_some_and(refused)) {
                model.trouble = None;
            }
            if pinned {
                models.shelf.ask(key);
            }
        });
        self.status(id)
    }

    fn key(&self, id: &ModelId) -> Result<Key, Fault> {
        self.lock().find(id).ok_or_else(Fault::unknown_model)
    }
}

fn status(place: &Place, model: &Model, now_ms: u64) -> ModelStatus {
    let state = ModelState::of(place, model);
    let is_in = place.is_in();
    let text = |fault: &Fault| match fault.detail() {
        Some(detail) => format!("{fault} ({detail})"),
        None => fault.to_string(),
    };
    ModelStatus {
        id: model.spec.id.clone(),
        base: model.spec.base.clone(),
        state,
        pinned: place.pinned,
        bytes: if place.state == State::Out { place.wants.most } else { place.bytes },
        context_tokens: model.context_tokens as u64,
        calls: place.users as u64,
        waiting: place.waiting as u64,
        percent: Some(&model.progress).filter(|_| state == ModelState::Loading).and_then(|now| now.percent()),
        load_ms: is_in.then_some(place.load_ms),
        idle_ms: (is_in && place.users == 0).then(|| now_ms.saturating_sub(place.used_ms)),
        fault: model.trouble.as_ref().map(text),
    }
}
