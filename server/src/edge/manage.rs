//! `/outcrop/v1/models`: which models are in memory, and what an operator does about it.

use std::sync::Arc;

use access::{Action, Presented};
use canon::{Fault, ModelId};
use gateway::Clock as _;
use store::{Note, Records};
use wire::Reply;

use super::{Answered, Call, Edge, reply};
use crate::local::{Loader, ModelState, ModelStatus};
use crate::ports::WallClock;

/// What can be done to a model of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Load it.
    Load,
    /// Unload it when its calls have ended.
    Unload,
    /// Load it and keep it in memory.
    Pin,
    /// Let it make way for others again.
    Unpin,
}

impl Change {
    /// Every change.
    pub(crate) const ALL: [Self; 4] = [Self::Load, Self::Unload, Self::Pin, Self::Unpin];

    /// The last segment of its path, and its name in the audit trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Unload => "unload",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
        }
    }

    fn make(self, loader: &Loader, model: &ModelId) -> Result<ModelStatus, Fault> {
        match self {
            Self::Load => loader.ask(model),
            Self::Unload => loader.dismiss(model),
            Self::Pin => loader.pin(model, true),
            Self::Unpin => loader.pin(model, false),
        }
    }

    /// Whether it has come about.
    const fn is_done(self, state: ModelState) -> bool {
        match self {
            Self::Load | Self::Pin => matches!(state, ModelState::Loaded),
            Self::Unload => matches!(state, ModelState::Unloaded),
            Self::Unpin => true,
        }
    }
}

/// The models of this process, and where it is recorded what was done to them.
pub(crate) struct Managed {
    pub(crate) loader: Arc<Loader>,
    pub(crate) records: Arc<Records>,
}

impl Edge {
    pub(super) fn shelved(&self, call: &Call, presented: &Presented<'_>) -> Answered {
        let permit = self.gateway.permit(call.arrival, presented, Action::DescribeModels, None)?;
        let mut shelved = self.managed.loader.shelved();
        shelved.models.retain(|model| permit.caller().may_use(model.id.as_str()));
        Ok(reply(Reply::json(200, shelved.to_json())))
    }

    pub(super) fn status(&self, call: &Call, presented: &Presented<'_>, model: &ModelId) -> Answered {
        self.gateway.permit(call.arrival, presented, Action::DescribeModels, Some(model))?;
        let status = self.managed.loader.status(model)?;
        Ok(reply(Reply::json(200, status.to_json().to_string())))
    }

    /// Begins a change, and says how the model stands then: 200 where the change is made, 202 where it is under way.
    pub(super) async fn manage(
        &self,
        call: &Call,
        presented: &Presented<'_>,
        model: &ModelId,
        change: Change,
    ) -> Answered {
        let permit = self.gateway.permit(call.arrival, presented, Action::ManageModel, Some(model))?;
        let status = change.make(&self.managed.loader, model)?;
        let about = format!("{} {model} by {}", change.name(), permit.caller().key);
        let records = Arc::clone(&self.managed.records);
        let noted =
            tokio::task::spawn_blocking(move || records.note(Note::ModelManaged(&about), WallClock.now_ms()));
        if let Ok(Err(error)) = noted.await {
            tracing::warn!(%error, %model, change = change.name(), "done, but not noted in the audit trail");
        }
        let code = if change.is_done(status.state) { 200 } else { 202 };
        Ok(reply(Reply::json(code, status.to_json().to_string())))
    }
}
