use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use jiff::{SignedDuration, Timestamp};
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use super::*;

const NOW: &str = "2026-11-21T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn roots() -> ClusterRoots {
    ClusterRoots::generate("prod-fsn1-main", &Entropy::from_seed([7; 32]), now()).unwrap()
}

fn administrator(roots: &ClusterRoots) -> ClientCertificate {
    ClientCertificate::administrator(&roots.client, &Entropy::from_seed([8; 32]), now()).unwrap()
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap()
}

/// Verifies a client as an API server in another language would: with webpki, not
/// with the library that made the certificate.
fn verify(authority: &Authority, client: &ClientCertificate, at: Timestamp) -> Result<(), String> {
    let mut trusted = RootCertStore::empty();
    trusted.add(chain(authority.pem()).remove(0)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), provider)
        .build()
        .unwrap();
    let at = Duration::from_secs(u64::try_from(at.as_second()).unwrap());
    verifier
        .verify_client_cert(&chain(client.pem())[0], &[], UnixTime::since_unix_epoch(at))
        .map(drop)
        .map_err(|error| error.to_string())
}

#[test]
fn webpki_accepts_the_administrator_of_this_cluster_alone() {
    let roots = roots();
    let client = administrator(&roots);
    assert_eq!(verify(&roots.client, &client, now()), Ok(()));
    assert!(client.is_issued_by(&roots.client));

    let foreign = verify(&roots.server, &client, now()).unwrap_err();
    assert!(foreign.contains("UnknownIssuer"), "{foreign}");
    assert!(!client.is_issued_by(&roots.server));

    let elsewhere =
        ClusterRoots::generate("prod-fsn1-main", &Entropy::from_seed([9; 32]), now()).unwrap();
    assert!(verify(&elsewhere.client, &client, now()).is_err());
    assert!(!client.is_issued_by(&elsewhere.client));
}

#[test]
fn webpki_accepts_it_only_while_it_is_valid() {
    let roots = roots();
    let client = administrator(&roots);
    let hours = SignedDuration::from_hours;
    for (offset, valid) in [
        (hours(-2), false),
        (-SignedDuration::from_mins(59), true),
        (hours(365 * 24 - 1), true),
        (hours(365 * 24 + 1), false),
    ] {
        let verdict = verify(&roots.client, &client, now() + offset);
        assert_eq!(verdict.is_ok(), valid, "{offset}: {verdict:?}");
    }
}

/// ring finds that each private key belongs to its certificate, and rustls completes
/// a handshake with them.
#[test]
fn another_implementation_uses_the_keys() {
    let roots = roots();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = administrator(&roots);
    let pairs = [
        (roots.server.pem(), roots.server.key_pem()),
        (roots.client.pem(), roots.client.key_pem()),
        (roots.request_header.pem(), roots.request_header.key_pem()),
        (roots.etcd_server.pem(), roots.etcd_server.key_pem()),
        (roots.etcd_peer.pem(), roots.etcd_peer.key_pem()),
        (client.pem(), client.key_pem()),
    ];
    for (pem, key) in pairs {
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).unwrap();
        let pair = rustls::sign::CertifiedKey::from_der(chain(pem), key, &provider).unwrap();
        pair.keys_match().unwrap();
    }
    let swapped = PrivateKeyDer::from_pem_slice(client.key_pem().expose().as_bytes()).unwrap();
    assert!(
        rustls::sign::CertifiedKey::from_der(chain(roots.client.pem()), swapped, &provider)
            .and_then(|pair| pair.keys_match())
            .is_err()
    );
}

/// What the authorities are for: certificates that somebody else's library signs with
/// them are accepted, in a whole handshake with client authentication.
#[test]
fn a_server_of_the_cluster_and_the_administrator_meet() {
    let roots = roots();
    let client = administrator(&roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());

    let key = rcgen::KeyPair::generate().unwrap();
    let authority_key = authority::key_from_pem(roots.server.key_pem().expose()).unwrap();
    let authority_key = authority_key.to_pkcs8_pem(LineEnding::LF).unwrap();
    let authority_key = rcgen::KeyPair::from_pem(&authority_key).unwrap();
    let mut issuer = rcgen::CertificateParams::default();
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    // In the order of the certificate, which is the reverse of the notation.
    let organisation = rcgen::DnType::OrganizationName;
    issuer
        .distinguished_name
        .push(organisation, "prod-fsn1-main");
    issuer
        .distinguished_name
        .push(rcgen::DnType::CommonName, "server-ca");
    let issuer = rcgen::Issuer::new(issuer, authority_key);
    let serving = rcgen::CertificateParams::new(vec!["main.prod.internal".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();

    let mut clients = RootCertStore::empty();
    clients.add(chain(roots.client.pem()).remove(0)).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone())
        .build()
        .unwrap();
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![serving.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let mut servers = RootCertStore::empty();
    servers.add(chain(roots.server.pem()).remove(0)).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(servers)
        .with_client_auth_cert(
            chain(client.pem()),
            PrivateKeyDer::from_pem_slice(client.key_pem().expose().as_bytes()).unwrap(),
        )
        .unwrap();

    let mut server = rustls::ServerConnection::new(Arc::new(server)).unwrap();
    let name = "main.prod.internal".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        if !bytes.is_empty() {
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets().unwrap();
        }
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        if !bytes.is_empty() {
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert_eq!(server.peer_certificates().map(<[_]>::len), Some(1));
}

#[test]
fn an_authority_says_what_it_is() {
    let roots = roots();
    let certificate = roots.client.certificate().tbs_certificate();
    expect!["CN=client-ca,O=prod-fsn1-main"].assert_eq(&certificate.subject().to_string());
    expect!["2026-11-21T11:00:00Z to 2046-11-16T12:00:00Z"].assert_eq(&format!(
        "{} to {}",
        certificate.validity().not_before,
        certificate.validity().not_after
    ));
    // Go, unlike webpki, refuses an authority that may not sign certificates.
    let (critical, usage) = certificate.get_extension::<KeyUsage>().unwrap().unwrap();
    assert!(critical && usage.key_cert_sign() && usage.crl_sign() && usage.digital_signature());
    let (critical, constraints) = certificate
        .get_extension::<BasicConstraints>()
        .unwrap()
        .unwrap();
    assert!(critical && constraints.ca && constraints.path_len_constraint.is_none());

    let administrator = administrator(&roots);
    expect!["2027-11-21T12:00:00Z"].assert_eq(&administrator.not_after().to_string());
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    assert_eq!(roots().to_data(), roots().to_data());
    let (first, second) = (administrator(&roots()), administrator(&roots()));
    assert_eq!(first.pem(), second.pem());
    assert_eq!(first.key_pem(), second.key_pem());

    // Fixed for ever: a new version of a library must not change what a test with
    // fixed entropy compares.
    expect!["0cccf0496db044e0902a1e24b38b1ca82f1a610d226aa192cde6a5a0a746079e"]
        .assert_eq(&roots().fingerprint());
}

#[test]
fn nothing_is_drawn_twice() {
    let seed = Entropy::from_seed([7; 32]);
    let mut values = Vec::new();
    for cluster in ["a", "b"] {
        let roots = ClusterRoots::generate(cluster, &seed, now()).unwrap();
        values.extend(roots.to_data().into_values());
    }
    let count = values.len();
    values.sort();
    values.dedup();
    assert_eq!(values.len(), count);
    assert_ne!(
        *Entropy::from_system().unwrap().bytes("a"),
        *Entropy::from_system().unwrap().bytes("a"),
    );
}

#[test]
fn the_secret_holds_everything() {
    let roots = roots();
    let data = roots.to_data();
    let keys: Vec<_> = data.keys().map(String::as_str).collect();
    expect![[r#"
        [
            "agent-token",
            "client-ca.crt",
            "client-ca.key",
            "etcd-peer-ca.crt",
            "etcd-peer-ca.key",
            "etcd-server-ca.crt",
            "etcd-server-ca.key",
            "request-header-ca.crt",
            "request-header-ca.key",
            "server-ca.crt",
            "server-ca.key",
            "server-token",
            "service.key",
        ]
    "#]]
    .assert_debug_eq(&keys);
    let again = ClusterRoots::from_data(&data).unwrap();
    assert_eq!(again.to_data(), data);
    assert_eq!(again.fingerprint(), roots.fingerprint());
    // What was read signs as what was made.
    assert!(administrator(&again).is_issued_by(&roots.client));
}

#[test]
fn a_damaged_secret_names_the_key() {
    let data = roots().to_data();
    let other = ClusterRoots::generate("other", &Entropy::from_seed([1; 32]), now())
        .unwrap()
        .to_data();
    let client = administrator(&roots());
    let set = |key: &str, value: &[u8]| {
        let mut data = data.clone();
        data.insert(key.to_owned(), value.to_vec());
        data
    };
    let without = |key: &str| {
        let mut data = data.clone();
        data.remove(key);
        data
    };
    let twice = [&data["server-ca.crt"][..], &data["client-ca.crt"][..]].concat();
    let cases = [
        without("etcd-peer-ca.key"),
        without("agent-token"),
        set("server-ca.crt", b""),
        set("server-ca.crt", &twice),
        set("server-ca.key", b"-----BEGIN EC PRIVATE KEY-----"),
        set("server-ca.key", &other["server-ca.key"]),
        set("client-ca.crt", &other["client-ca.crt"]),
        set("client-ca.crt", client.pem().as_bytes()),
        set("service.key", &data["service.key"][1..]),
        set("server-token", b"abcdef.0123456789abcdef"),
        set("server-token", b"\xff"),
        set("tls.crt", b""),
    ];
    let messages: Vec<_> = cases
        .iter()
        .map(|data| ClusterRoots::from_data(data).unwrap_err().to_string())
        .collect();
    expect![[r#"
        [
            "key \"etcd-peer-ca.key\" is missing",
            "key \"agent-token\" is missing",
            "key \"server-ca.crt\": is not exactly one certificate in PEM",
            "key \"server-ca.crt\": is not exactly one certificate in PEM",
            "key \"server-ca.key\": is not an EC P-256 key in PEM (\"EC PRIVATE KEY\")",
            "key \"server-ca.crt\": certificate and key do not belong together",
            "key \"client-ca.crt\": certificate and key do not belong together",
            "key \"client-ca.crt\": certificate and key do not belong together",
            "key \"service.key\": is not an EC P-256 key in PEM (\"EC PRIVATE KEY\")",
            "key \"server-token\" is not 64 lower-case hexadecimal digits",
            "key \"server-token\" is not text",
            "key \"tls.crt\" does not belong there",
        ]
    "#]]
    .assert_debug_eq(&messages);

    let client_key = client.key_pem().expose().as_bytes();
    let mut pretender = set("client-ca.crt", client.pem().as_bytes());
    pretender.insert("client-ca.key".to_owned(), client_key.to_vec());
    expect![[r#"key "client-ca.crt": is not the self-signed certificate of an authority"#]]
        .assert_eq(&ClusterRoots::from_data(&pretender).unwrap_err().to_string());
}

#[test]
fn every_root_changes_the_fingerprint() {
    let mine = roots();
    let other =
        ClusterRoots::generate("prod-fsn1-main", &Entropy::from_seed([1; 32]), now()).unwrap();
    let (data, other) = (mine.to_data(), other.to_data());
    let replace = |keys: &[&str]| {
        let mut data = data.clone();
        for key in keys {
            data.insert((*key).to_owned(), other[*key].clone());
        }
        ClusterRoots::from_data(&data).unwrap().fingerprint()
    };
    for keys in [
        &["server-ca.crt", "server-ca.key"][..],
        &["client-ca.crt", "client-ca.key"],
        &["request-header-ca.crt", "request-header-ca.key"],
        &["etcd-server-ca.crt", "etcd-server-ca.key"],
        &["etcd-peer-ca.crt", "etcd-peer-ca.key"],
        &["service.key"],
        &["server-token"],
        &["agent-token"],
    ] {
        assert_ne!(replace(keys), mine.fingerprint(), "{keys:?}");
    }
    assert_eq!(replace(&[]), mine.fingerprint());
}

#[test]
fn secrets_are_not_shown() {
    let roots = roots();
    let client = administrator(&roots);
    let shown = format!(
        "{roots:?} {:?} {client:?} {:?} {:?} {:?}",
        roots.server,
        Entropy::from_seed([7; 32]),
        roots.server_token(),
        roots.server_token().to_text(),
    );
    for secret in roots.to_data().values() {
        let text = String::from_utf8(secret.clone()).unwrap();
        let line = text.lines().nth(1).unwrap_or(&text);
        assert!(!shown.contains(line), "{shown}");
    }
    assert!(shown.contains("[redacted]"));
}

#[test]
fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
    let client = administrator(&roots());
    let begin = now() - SignedDuration::from_hours(1);
    let life = client.not_after().duration_since(begin);
    let due = begin + life / 3 * 2;
    assert!(!client.needs_renewal(now()));
    assert!(!client.needs_renewal(due - SignedDuration::from_secs(1)));
    assert!(client.needs_renewal(due));
    assert!(client.needs_renewal(client.not_after() + SignedDuration::from_hours(1)));
}

#[test]
fn a_client_is_read_back() {
    let roots = roots();
    let client = administrator(&roots);
    let again = ClientCertificate::from_pem(client.pem(), client.key_pem().expose()).unwrap();
    assert_eq!(again.not_after(), client.not_after());
    assert!(again.is_issued_by(&roots.client));
    let foreign = roots.client.key_pem().expose();
    let verdict = ClientCertificate::from_pem(client.pem(), foreign).unwrap_err();
    assert_eq!(verdict, PairError::Mismatch);
}

/// Signed by itself, with the right key, and still no authority.
#[test]
fn a_self_signed_leaf_is_no_authority() {
    let roots = roots();
    let key = authority::key_from_pem(roots.client.key_pem().expose()).unwrap();
    let key = rcgen::KeyPair::from_pem(&key.to_pkcs8_pem(LineEnding::LF).unwrap()).unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["leaf".to_owned()]).unwrap();
    let leaf = leaf.self_signed(&key).unwrap().pem().replace('\r', "");
    let mut data = roots.to_data();
    data.insert("client-ca.crt".to_owned(), leaf.into_bytes());
    expect![[r#"key "client-ca.crt": is not the self-signed certificate of an authority"#]]
        .assert_eq(&ClusterRoots::from_data(&data).unwrap_err().to_string());
}

/// A name that could add a second part to a subject is refused.
#[test]
fn a_name_cannot_smuggle_a_group_into_a_certificate() {
    let result = ClusterRoots::generate("a,O=system:masters", &Entropy::from_seed([7; 32]), now());
    expect![[r#""a,O=system:masters" cannot be part of a certificate's subject: use letters, digits, '-', '.' and ':'"#]]
        .assert_eq(&result.unwrap_err().to_string());
}

mod tokens {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_file() {
        let roots = roots();
        let file = &roots.to_data()["server-ca.crt"];
        // Computed by the other implementation of SHA-256 in the tree.
        let digest = rustls::crypto::ring::default_provider()
            .cipher_suites
            .iter()
            .find_map(|suite| match suite {
                rustls::SupportedCipherSuite::Tls13(suite)
                    if suite.common.hash_provider.algorithm()
                        == rustls::crypto::hash::HashAlgorithm::SHA256 =>
                {
                    Some(suite.common.hash_provider.hash(file))
                }
                _ => None,
            })
            .unwrap();
        assert_eq!(
            roots.server_token().authority,
            authority::hex(digest.as_ref())
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let roots = roots();
        let data: BTreeMap<_, _> = roots.to_data();
        for (token, user, key) in [
            (roots.server_token(), "server", "server-token"),
            (roots.agent_token(), "node", "agent-token"),
        ] {
            let text = token.to_text();
            let password = std::str::from_utf8(&data[key]).unwrap();
            let expected = format!("K10{}::{user}:{password}", roots.server.hash());
            assert_eq!(text.expose(), expected);
            assert_eq!(Token::parse(text.expose()), Ok(token));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let hash = roots().server.hash();
        for (text, error) in [
            (String::new(), TokenError::Form),
            ("abcdef.0123456789abcdef".to_owned(), TokenError::Form),
            ("secret".to_owned(), TokenError::Form),
            ("K10::server:secret".to_owned(), TokenError::Authority),
            (
                format!("K10{}::server:x", &hash[1..]),
                TokenError::Authority,
            ),
            (format!("K10{hash}::secret"), TokenError::Form),
            (format!("K10{hash}::server:"), TokenError::Form),
            (format!("K10{hash}::root:secret"), TokenError::User),
        ] {
            assert_eq!(Token::parse(&text), Err(error), "{text}");
        }
    }
}
