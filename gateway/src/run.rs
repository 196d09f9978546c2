//! Run: the first candidate that produces a first event has the call. Before that event a failed candidate is replaced
//! by the next; after it, a fault travels in the stream.

use std::sync::Arc;

use canon::{Call, Event, Fault, Generation, Kind, Tally};
use futures_util::StreamExt as _;

use crate::admission::{Failed, Settlement};
use crate::catalog::{Deployment, Held};
use crate::placement::Placement;

/// A call whose answer has begun.
pub(crate) struct Running {
    pub(crate) first: Event,
    /// What follows the first event.
    pub(crate) rest: Generation,
    pub(crate) held: Held,
    pub(crate) settlement: Settlement,
}

/// Tries the candidates in order until one begins to answer.
pub(crate) async fn start(placement: Placement) -> Result<Running, Failed> {
    tracing::debug!(%placement, "placed");
    let Placement { intent, candidates, .. } = placement;
    let mut settlement = intent.settlement;
    let mut last = None;
    for candidate in candidates {
        let deployment = candidate.deployment;
        let held = deployment.load.hold(intent.reserved_tokens);
        match begin(&deployment, &intent.target.call, &mut settlement).await {
            Ok((first, rest)) => return Ok(Running { first, rest, held, settlement }),
            Err(fault) if fault.kind().is_candidates() => {
                tracing::warn!(deployment = %deployment.name, code = fault.kind().code(), %fault,
                    detail = fault.detail().unwrap_or_default(), "candidate failed before its first event");
                last = Some(fault);
            }
            Err(fault) => return Err(settlement.failed(fault)),
        }
    }
    Err(settlement.failed(last.unwrap_or_else(|| Fault::internal("a placement without candidates"))))
}

/// The first event of an answer, and the rest of it.
async fn begin(
    deployment: &Deployment,
    call: &Call,
    settlement: &mut Settlement,
) -> Result<(Event, Generation), Fault> {
    // Until the backend has its own tally, nothing is used.
    settlement.runs_on(&deployment.name, Arc::new(Tally::default()));
    let mut generation = match call {
        Call::Text(request) => deployment.backend.generate(Arc::clone(request)).await?,
        Call::Embed(request) => deployment.backend.embed(Arc::clone(request)).await?,
    };
    settlement.runs_on(&deployment.name, Arc::clone(&generation.tally));
    match generation.events.next().await {
        Some(first) => Ok((first?, generation)),
        None => {
            Err(Fault::new(Kind::Upstream { status: None }, "The model's provider gave no answer. Retry."))
        }
    }
}
