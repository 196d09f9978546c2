//! Where prompts are written: templates, tokens and grammars are work for a processor, which an asynchronous executor
//! must not be held up with.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use canon::{Fault, Kind};
use futures_channel::oneshot;

/// Threads that write prompts. Two, so that one large grammar does not keep everyone waiting.
const THREADS: usize = 2;
/// Prompts that may wait to be written.
const WAITING_MAX: usize = 256;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads that take jobs in order. They end when the desk is dropped.
pub(crate) struct Desk(SyncSender<Job>);

impl Desk {
    /// # Errors
    /// [`Kind::Internal`] where no thread can be started.
    pub(crate) fn open() -> Result<Self, Fault> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        for at in 0..THREADS {
            let receiver = Arc::clone(&receiver);
            let thread = thread::Builder::new().name(format!("engine-desk-{at}"));
            thread.spawn(move || work(&receiver)).map_err(Fault::internal)?;
        }
        Ok(Self(sender))
    }

    /// Does `job` on one of the threads.
    ///
    /// # Errors
    /// [`Kind::Overloaded`] where too many wait, and what the job fails with.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (sender, receiver) = oneshot::channel();
        // Whoever asked may be gone; then the answer is dropped.
        let job = Box::new(move || drop(sender.send(job())));
        self.0.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => {
                let message = "Too many requests are waiting for this model. Please wait and try again.";
                Fault::new(Kind::Overloaded, message)
                    .with_detail(format!("{WAITING_MAX} prompts wait to be written"))
            }
            TrySendError::Disconnected(_) => Fault::internal("the threads that write prompts are gone"),
        })?;
        receiver.await.unwrap_or_else(|_| Err(Fault::internal("a thread that writes prompts panicked")))
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic drops the job's sender, which its caller sees; the thread goes on.
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
    }
}
