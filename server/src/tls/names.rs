use std::collections::BTreeSet;
use std::net::IpAddr;
use tokio_rustls::rustls::pki_types::ServerName;

/// What every server is called by those who are on the same machine.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The names and addresses under which clients reach this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// The names of this machine to itself and to others, and `further` ones. What is neither a DNS name nor an address
    /// cannot be in a certificate and is left out, aloud.
    pub fn new(further: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::of(&gethostname::gethostname().to_string_lossy(), further)
    }

    pub(super) fn of(hostname: &str, further: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut names = BTreeSet::new();
        let mut add = |name: &str| {
            let spelled = name.trim_end_matches('.').to_ascii_lowercase();
            if ServerName::try_from(spelled.as_str()).is_ok() {
                names.insert(spelled);
            } else {
                tracing::warn!(name, "is neither a DNS name nor an address: TLS clients cannot use it");
            }
        };
        LOCAL.into_iter().chain([hostname]).for_each(&mut add);
        further.into_iter().for_each(|name| add(name.as_ref()));
        Self(names)
    }

    /// Each name and address, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The same, as a client checks them.
    pub(super) fn server_names(&self) -> impl Iterator<Item = ServerName<'_>> {
        self.iter().filter_map(|name| ServerName::try_from(name).ok())
    }

    /// Only the addresses.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.iter().filter_map(|name| name.parse().ok())
    }

    /// Only the DNS names.
    pub(super) fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|name| name.parse::<IpAddr>().is_err())
    }
}
