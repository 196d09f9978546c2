use std::time::Duration;

/// What one connection, and all of them together, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections are served at once. Further ones wait in the system's queue.
    pub connections_max: usize,
    /// How many header lines a request over HTTP/1.1 may have.
    pub headers_max: usize,
    /// How many bytes a request's head may have, all its header lines together.
    pub head_bytes_max: u32,
    /// How many requests one HTTP/2 connection may have under way at once.
    pub streams_max: u32,
    /// For how long the first bytes may keep us waiting.
    pub sniff_timeout: Duration,
    /// For how long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// For how long an HTTP/1.1 connection may be without a complete head: between requests, and within one.
    pub head_timeout: Duration,
    /// For how long a peer may take no byte of what we want to send.
    pub write_stall_timeout: Duration,
    /// How often an HTTP/2 peer is asked whether it is still there.
    pub ping_interval: Duration,
    /// For how long it may leave that unanswered.
    pub ping_timeout: Duration,
    /// For how long requests under way may go on after the shutdown began.
    pub drain_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            headers_max: 128,
            head_bytes_max: 64 * 1_024,
            streams_max: 256,
            sniff_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(60),
            write_stall_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            drain_grace: Duration::from_secs(30),
        }
    }
}
