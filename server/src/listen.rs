//! One port. Plaintext HTTP/1.1, HTTP/2 with prior knowledge and TLS are told apart by the first bytes of a connection.
//!
//! Every connection is a task of the set that [`Listener::serve`] owns: none outlives it, and none is spawned that it does
//! not wait for or cut off. Everything that a peer could make endless has a limit in [`Limits`].

mod connection;
mod limits;
mod peer;
mod rewind;
mod sniff;
mod stall;

pub use limits::Limits;
pub use peer::{Peer, Protocol};

use bytes::Buf;
use connection::Connection;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::rustls::ServerConfig;

/// How long accepting rests after the system refused it, which it does when descriptors run out.
const ACCEPT_REST_MS: u64 = 100;

/// What a listener asks of the service that answers requests. It is implemented by what fits and not meant to be
/// implemented by hand.
pub trait Answering:
    Service<Request<Incoming>, Response = Response<Self::Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
    /// The body of an answer.
    type Body: Body<Data: Buf + Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

impl<S, B> Answering for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>,
    S: Clone + Send + 'static,
    B: Body<Data: Buf + Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Body = B;
}

/// An address that is bound and not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    limits: Limits,
    tls: Option<Arc<ServerConfig>>,
    places: Arc<Semaphore>,
}

/// How a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How many connections were still at work when the grace was over, and were cut off.
    pub cut: usize,
}

impl Listener {
    /// Binds `addr`; port 0 picks a free one. Without `tls`, only plaintext is served.
    ///
    /// # Errors
    /// What the system says: most often that the address is in use.
    pub async fn bind(addr: SocketAddr, limits: Limits, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let socket = TcpListener::bind(addr).await?;
        let addr = socket.local_addr()?;
        let places = Arc::new(Semaphore::new(limits.connections_max));
        Ok(Self { socket, addr, limits, tls, places })
    }

    /// The address that is bound.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `shutdown` is ready, then stops accepting, lets what is at work finish, and cuts off what is still
    /// there when [`Limits::drain_grace`] is over.
    ///
    /// Each request carries a [`Peer`] among its extensions.
    pub async fn serve<S: Answering>(self, service: S, shutdown: impl Future<Output = ()>) -> Drained {
        let (drain, draining) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let mut was_full = false;
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => report(&ended),
                (stream, peer, place) = self.accept() => {
                    let is_full = self.places.available_permits() == 0;
                    if is_full && !was_full {
                        tracing::warn!(connections = self.limits.connections_max, "further connections must wait");
                    }
                    was_full = is_full;
                    let connection =
                        Connection { peer, limits: self.limits, tls: self.tls.clone(), draining: draining.clone() };
                    let service = service.clone();
                    connections.spawn(async move {
                        connection.serve(stream, service).await;
                        drop(place);
                    });
                }
            }
        }
        // From here on a new connection is refused by the system, so that a balancer goes elsewhere at once.
        drop(self.socket);
        drain.send_replace(true);
        finish(connections, self.limits.drain_grace).await
    }

    /// The next connection, once there is a place for it. Until then it waits in the system's queue.
    async fn accept(&self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        loop {
            let Ok(place) = self.places.clone().acquire_owned().await else {
                // The semaphore is never closed.
                return std::future::pending().await;
            };
            match self.socket.accept().await {
                Ok((stream, peer)) => return (stream, peer, place),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_REST_MS)).await;
                }
            }
        }
    }
}

async fn finish(mut connections: JoinSet<()>, grace: Duration) -> Drained {
    let all = async {
        while let Some(ended) = connections.join_next().await {
            report(&ended);
        }
    };
    let in_time = tokio::time::timeout(grace, all).await.is_ok();
    let cut = if in_time { 0 } else { connections.len() };
    connections.shutdown().await;
    Drained { cut }
}

fn report(ended: &Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

#[cfg(test)]
mod tests;
