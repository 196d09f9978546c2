//! Counting the tokens of a prompt for a model that is not in memory: its vocabulary is read, and its weights are not.

use std::sync::{Arc, Weak};

use canon::{Fault, Request};

use super::super::kind::Count;
use super::super::shelf::{Key, State};
use super::Loader;

/// What counts for a model that is out, as long as somebody counts: any number of calls at once read it once. It is not
/// kept, for it would take memory that nobody has set aside.
pub(super) type Counter = Arc<tokio::sync::Mutex<Weak<Count>>>;

impl Loader {
    /// Whose words the model has: a tuned one has its base's.
    pub(in super::super) fn speaks_as(&self, key: Key) -> Key {
        self.lock().shelf.place(key).and_then(|place| place.base).unwrap_or(key)
    }

    /// How many tokens the request's prompt has, if the model is out of memory and its vocabulary tells.
    ///
    /// # Errors
    /// The request cannot be written as a prompt.
    pub(in super::super) async fn count(&self, key: Key, request: &Request) -> Result<Option<u64>, Fault> {
        let (spec, counter) = {
            let models = self.lock();
            let is_out = models.shelf.place(key).is_some_and(|place| place.state != State::Ready);
            let Some(model) = models.all.get(&key).filter(|_| is_out) else { return Ok(None) };
            (Arc::clone(&model.spec), Arc::clone(&model.counter))
        };
        let (kinds, request) = (Arc::clone(&self.kinds), request.clone());
        let mut slot = counter.lock().await;
        let count = match slot.upgrade() {
            Some(count) => count,
            None => {
                let read = tokio::task::spawn_blocking(move || kinds.count(&spec));
                // What is wrong with the model is told, and logged, when it is loaded.
                let Ok(Ok(Some(count))) = read.await else { return Ok(None) };
                let count = Arc::new(count);
                *slot = Arc::downgrade(&count);
                count
            }
        };
        drop(slot);
        let counted = tokio::task::spawn_blocking(move || count(&request)).await;
        counted.map_err(Fault::internal)?.map(Some)
    }
}
