use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

#[tokio::test]
async fn a_server_for_which_nobody_vouches_gets_neither_key_nor_prompt() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}/v1", listener.local_addr().unwrap());
    let accepted = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(tls)).accept(socket).await.is_ok()
    });
    let backend = match OpenAi::new(config(&base_url)) {
        Ok(backend) => backend,
        // A machine without root certificates trusts nobody anyway, and says so at once.
        Err(fault) => return assert_eq!(fault.kind(), &Kind::Internal, "{fault:?}"),
    };
    let fault = outcome(&backend, request(true)).await.unwrap_err();
    assert_eq!(fault.kind(), &Kind::Upstream { status: None });
    assert!(fault.detail().unwrap().contains("certificate"), "{fault:?}");
    assert!(!accepted.await.unwrap(), "the handshake did not complete");
}
