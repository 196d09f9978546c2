use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use canon::{Backend, BoxFuture, Capabilities, EmbedRequest, Event, Events, Fault, Generation, Request};
use futures_util::Stream;

use super::shelf::Key;
use super::{Lease, Loader, Outlined};

/// A model of this process as a backend: a call of it waits until it is in memory, and keeps it there.
pub(crate) struct OnDemand {
    loader: Arc<Loader>,
    key: Key,
    outlined: Arc<Outlined>,
}

impl OnDemand {
    pub(crate) const fn new(loader: Arc<Loader>, key: Key, outlined: Arc<Outlined>) -> Self {
        Self { loader, key, outlined }
    }
}

impl Backend for OnDemand {
    fn capabilities(&self) -> &Capabilities {
        &self.outlined.capabilities
    }

    fn count<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<u64, Fault>> {
        Box::pin(async move {
            let key = self.loader.speaks_as(self.key);
            if let Some(tokens) = self.loader.count(key, request).await? {
                return Ok(tokens);
            }
            let lease = self.loader.lease(key).await?;
            lease.backend()?.count(request).await
        })
    }

    fn generate(&self, request: Arc<Request>) -> BoxFuture<'_, Result<Generation, Fault>> {
        Box::pin(async move {
            let lease = self.loader.lease(self.key).await?;
            let generation = lease.backend()?.generate(request).await?;
            Ok(leased(generation, lease))
        })
    }

    fn embed(&self, request: Arc<EmbedRequest>) -> BoxFuture<'_, Result<Generation, Fault>> {
        Box::pin(async move {
            let lease = self.loader.lease(self.key).await?;
            let generation = lease.backend()?.embed(request).await?;
            Ok(leased(generation, lease))
        })
    }
}

/// An answer that keeps its model in memory.
fn leased(generation: Generation, lease: Lease) -> Generation {
    let events = Box::pin(Leased { events: generation.events, _lease: lease });
    Generation { events, ..generation }
}

/// Events, and the lease of the model that makes them. The events go first.
struct Leased {
    events: Events,
    _lease: Lease,
}

impl Stream for Leased {
    type Item = Result<Event, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(cx)
    }
}
