//! Run: the first candidate that produces a first event has the call. Before that event a failed candidate is replaced
//! by the next; after it, a fault travels in the stream.

use std::sync::Arc;

use canon::{Event, Fault, Generation, Kind, Request};
use futures_util::StreamExt as _;

use crate::admission::{Failed, Settlement};
use crate::catalog::{Deployment, Held};
use crate::placement::Placement;

/// A call whose answer has begun.
pub(crate) struct Running {
    pub(crate) first: Event,
    pub(crate) generation: Generation,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) held: Held,
    pub(crate) settlement: Settlement,
}

/// Tries the candidates in order until one begins to answer.
pub(crate) async fn start(placement: Placement) -> Result<Running, Failed> {
    tracing::debug!(%placement, "placed");
    let Placement { intent, candidates, .. } = placement;
    let mut last = None;
    for candidate in candidates {
        let deployment = candidate.deployment;
        let held = deployment.load.hold(intent.reserved_tokens);
        match begin(&deployment, &intent.target.request).await {
            Ok((first, generation)) => {
                return Ok(Running { first, generation, deployment, held, settlement: intent.settlement });
            }
            Err(fault) if fault.kind().is_candidates() => {
                tracing::warn!(deployment = %deployment.name, code = fault.kind().code(), %fault,
                    detail = fault.detail().unwrap_or_default(), "candidate failed before its first event");
                last = Some((fault, deployment));
            }
            Err(fault) => return Err(intent.settlement.failed(fault).at(&deployment.name)),
        }
    }
    Err(match last {
        Some((fault, deployment)) => intent.settlement.failed(fault).at(&deployment.name),
        None => intent.settlement.failed(Fault::internal("a placement without candidates")),
    })
}

async fn begin(deployment: &Deployment, request: &Arc<Request>) -> Result<(Event, Generation), Fault> {
    let mut generation = deployment.backend.generate(Arc::clone(request)).await?;
    match generation.events.next().await {
        Some(first) => Ok((first?, generation)),
        None => {
            Err(Fault::new(Kind::Upstream { status: None }, "The model's provider gave no answer. Retry."))
        }
    }
}
