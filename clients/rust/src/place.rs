use std::path::PathBuf;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Builder, Credentials, Region, Token};
use aws_smithy_http_client::Builder as HttpBuilder;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};

/// Where Outcrop is served, and the keys to it.
#[derive(Clone)]
pub struct Place {
    url: String,
    folder: PathBuf,
}

impl Place {
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        Self { url: variable("OUTCROP_URL"), folder: variable("OUTCROP_DIR").into() }
    }

    /// A client with the data folder's key pair, over plain HTTP.
    pub fn client(&self) -> Client {
        self.with_secret(&self.setting("aws_secret_access_key"))
    }

    /// The same with another secret.
    pub fn with_secret(&self, secret: &str) -> Client {
        let pair = Credentials::new(self.setting("aws_access_key_id"), secret, None, None, "outcrop");
        Client::from_conf(self.config().endpoint_url(&self.url).credentials_provider(pair).build())
    }

    /// A client with the data folder's bearer key, over TLS, which is HTTP/2 by ALPN.
    pub fn bearer(&self) -> Client {
        let url = self.url.replace("http://", "https://");
        let token = Token::new(self.read("api-key"), None);
        Client::from_conf(self.config().endpoint_url(url).bearer_token(token).build())
    }

    fn config(&self) -> Builder {
        let trust = TrustStore::empty().with_pem_certificate(self.read("tls/ca.pem"));
        let context = TlsContext::builder().with_trust_store(trust).build().expect("the CA's certificate is read");
        let provider = tls::Provider::Rustls(CryptoMode::Ring);
        let http = HttpBuilder::new().tls_provider(provider).tls_context(context).build_https();
        Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .retry_config(RetryConfig::disabled())
            .http_client(http)
    }

    fn setting(&self, name: &str) -> String {
        let text = self.read("credentials");
        let found = text.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == name);
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_else(|| panic!("no {name} in credentials"))
    }

    fn read(&self, name: &str) -> String {
        let path = self.folder.join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.trim().to_owned()
    }
}
