use std::sync::Arc;

use access::{Action, Permit, Presented};
use canon::{Call, Fault, HintSet, ModelCard, ModelId, Request};

use crate::admission::{Failed, Gate};
use crate::catalog::{Catalog, Target};
use crate::{Clock, Directory, Entropy, Journal, Metered, RequestId, Snapshot, placement, run};

/// A call that has come, and nothing more.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Names it from now on.
    pub id: RequestId,
    /// When it came, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// An answer that has begun.
pub struct Served {
    /// The model as the caller named it.
    pub model: ModelId,
    /// The events, metered.
    pub events: Metered,
    /// The events carry the backend's own bytes, to be passed on as they are.
    pub relayed: bool,
    /// Hints that the backend had no use for.
    pub ignored: HintSet,
}

/// Where calls come in.
pub struct Gateway {
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    gate: Gate,
}

impl Gateway {
    /// A gateway over its ports, for at most `calls_max` calls at once.
    pub fn new(
        directory: Arc<dyn Directory>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        calls_max: usize,
    ) -> Self {
        let gate = Gate::new(journal, Arc::clone(&clock), calls_max);
        Self { directory, clock, entropy, gate }
    }

    /// Names a call that has just come.
    #[must_use]
    pub fn arrive(&self) -> Arrival {
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        Arrival { id: RequestId::from_random(random), at_ms: self.clock.now_ms() }
    }

    /// The life of a call. `decode` turns its bytes into one; it runs only for callers who proved who they are, and may
    /// look up what kind of model it names, for bodies that mean the one or the other by that.
    ///
    /// # Errors
    /// The fault of the first stage that cannot pass the call on. From admission on, it is on record before it is
    /// returned.
    pub async fn serve<D>(
        &self,
        arrival: Arrival,
        presented: &Presented<'_>,
        decode: D,
    ) -> Result<Served, Fault>
    where
        D: FnOnce(&Catalog) -> Result<Call, Fault>,
    {
        let snapshot = self.directory.current();
        let caller = access::authenticate(presented, &snapshot.keys, arrival.at_ms)?;
        let call = decode(&snapshot.catalog)?.made_by(caller.key.as_str());
        let target = permitted(&snapshot, caller, invoke(&call), call)?;
        let model = target.call.model().clone();
        let intent = self.gate.admit(arrival, target).await?;
        let placement = on_record(placement::place(intent)).await?;
        let running = on_record(run::start(placement).await).await?;
        let (relayed, ignored) = (running.rest.relayed, running.rest.ignored);
        Ok(Served { model, events: Metered::new(running), relayed, ignored })
    }

    /// How many tokens the prompt of a call comes to. Costs nothing and leaves no receipt.
    ///
    /// # Errors
    /// As for [`Self::serve`], without the stages that admit.
    pub async fn count<D>(&self, arrival: Arrival, presented: &Presented<'_>, decode: D) -> Result<u64, Fault>
    where
        D: FnOnce() -> Result<Request, Fault>,
    {
        let snapshot = self.directory.current();
        let caller = access::authenticate(presented, &snapshot.keys, arrival.at_ms)?;
        let request = Arc::new(decode()?);
        let call = Call::Text(Arc::clone(&request));
        let target = permitted(&snapshot, caller, Action::CountTokens, call)?;
        let backend = placement::best(&target)?;
        backend.count(&request).await
    }

    /// The models that the caller may know of, by id.
    ///
    /// # Errors
    /// [`canon::Kind::Unauthenticated`] and [`canon::Kind::Forbidden`].
    pub fn models(&self, arrival: Arrival, presented: &Presented<'_>) -> Result<Vec<ModelCard>, Fault> {
        let snapshot = self.directory.current();
        let caller = access::authenticate(presented, &snapshot.keys, arrival.at_ms)?;
        access::authorise(caller.clone(), Action::ListFoundationModels, None)?;
        let cards = snapshot.catalog.entries().map(|entry| &entry.card);
        let known = |card: &&ModelCard| {
            access::authorise(caller.clone(), Action::GetFoundationModel, Some(&card.id)).is_ok()
        };
        Ok(cards.filter(known).cloned().collect())
    }

    /// The published row of one model.
    ///
    /// # Errors
    /// As for [`Self::models`], and [`canon::Kind::UnknownModel`].
    pub fn model(
        &self,
        arrival: Arrival,
        presented: &Presented<'_>,
        name: &ModelId,
    ) -> Result<ModelCard, Fault> {
        let snapshot = self.directory.current();
        let caller = access::authenticate(presented, &snapshot.keys, arrival.at_ms)?;
        let card = &snapshot.catalog.find(name)?.card;
        access::authorise(caller, Action::GetFoundationModel, Some(&card.id))?;
        Ok(card.clone())
    }

    /// That the caller may do `action`, to `model` or to none in particular, which is no call of a model.
    ///
    /// # Errors
    /// [`canon::Kind::Unauthenticated`] and [`canon::Kind::Forbidden`].
    pub fn permit(
        &self,
        arrival: Arrival,
        presented: &Presented<'_>,
        action: Action,
        model: Option<&ModelId>,
    ) -> Result<Permit, Fault> {
        let snapshot = self.directory.current();
        let caller = access::authenticate(presented, &snapshot.keys, arrival.at_ms)?;
        access::authorise(caller, action, model)
    }

    /// How many calls are under way.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.gate.inside()
    }
}

fn invoke(call: &Call) -> Action {
    if call.stream() { Action::InvokeModelWithResponseStream } else { Action::InvokeModel }
}

/// Resolves the model first and asks for permission on what it resolved to, so that an alias opens no side door.
fn permitted(
    snapshot: &Snapshot,
    caller: access::Caller,
    action: Action,
    call: Call,
) -> Result<Target, Fault> {
    let entry = Arc::clone(snapshot.catalog.find(call.model())?);
    let permit = access::authorise(caller, action, Some(&entry.card.id))?;
    entry.suits(&call)?;
    Ok(Target { permit, call, entry })
}

async fn on_record<T>(stage: Result<T, Failed>) -> Result<T, Fault> {
    match stage {
        Ok(next) => Ok(next),
        Err(failed) => Err(failed.settled().await),
    }
}

#[cfg(test)]
mod tests;
