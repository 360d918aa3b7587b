//! Who may answer in the name of the API.

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

#[tokio::test]
async fn a_server_whose_certificate_no_public_root_has_signed_is_refused() {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let refused = acceptor.accept(stream).await;
            assert!(refused.is_err(), "the client must not go on");
        }
    });
    let client = client_at(&format!("https://{address}/v1"), "s3cret", Clock::system());
    let error = client
        .networks()
        .create(&request("main"))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "it cannot have happened");
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    assert!(text.contains("invalid peer certificate"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    assert!(!server.is_finished(), "no handshake got through");
    server.abort();
}
