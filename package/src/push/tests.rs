use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

use super::*;
use crate::build::{BuildOptions, build};
use crate::definition::Package;
use crate::fixture::Workspace;
use crate::oci::Platform;

/// What a registry was sent; enough of the distribution protocol to push to.
#[derive(Default)]
struct Received {
    requests: Vec<String>,
    blobs: BTreeMap<String, Bytes>,
    manifests: BTreeMap<String, (String, Bytes)>,
    refusal: Option<&'static str>,
    without_location: bool,
}

type Shared = Arc<Mutex<Received>>;

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut received = shared.lock().unwrap();
    let path = uri.path().to_owned();
    received.requests.push(format!("{method} {path}"));
    let last = path.rsplit('/').next().unwrap_or_default().to_owned();
    let location = (header::LOCATION, format!("{path}next"));
    let created = match received.without_location {
        true => StatusCode::CREATED.into_response(),
        false => (StatusCode::CREATED, [location.clone()]).into_response(),
    };
    match method {
        Method::GET => StatusCode::OK.into_response(),
        Method::HEAD if received.blobs.contains_key(&last) => StatusCode::OK.into_response(),
        Method::HEAD => StatusCode::NOT_FOUND.into_response(),
        Method::POST => match received.refusal {
            Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
            None => (StatusCode::ACCEPTED, [location]).into_response(),
        },
        Method::PUT if path.contains("/blobs/uploads/") => {
            let digest = uri
                .query()
                .unwrap_or_default()
                .replace("digest=", "")
                .replace("%3A", ":");
            received.blobs.insert(digest, body);
            created
        }
        Method::PUT => {
            let media_type = headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
            received.manifests.insert(last, (media_type, body));
            created
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn registry() -> (Registry, Shared) {
    let shared = Shared::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&shared));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (
        Registry::new(&format!("{address}/openova")).unwrap(),
        shared,
    )
}

fn built() -> Built {
    let workspace = Workspace::new();
    let options = BuildOptions {
        workspace: workspace.path().to_owned(),
        output: workspace.path().join("out"),
        packages: vec![Package::named("configuration-xplatform").unwrap()],
        ..BuildOptions::default()
    };
    build(&options, &mut |_| {}).unwrap()
}

#[tokio::test]
async fn the_registry_gets_every_blob_and_the_index_under_the_tag() {
    let (registry, shared) = registry().await;
    let built = built();
    let package = &built.packages()[0];
    let image = &package.images[0];
    let pushed = push(&built, &registry).await.unwrap();
    assert_eq!(pushed.len(), 1);
    assert_eq!(
        pushed[0].reference,
        format!(
            "{}/openova/configuration-xplatform:{}",
            registry.host(),
            package.tag
        )
    );
    assert_eq!(pushed[0].digest, package.index.digest);
    assert_eq!(
        (pushed[0].uploaded, pushed[0].present),
        (image.compressed_size(), 0)
    );

    let received = shared.lock().unwrap();
    for blob in image.layers.iter().chain([&image.config]) {
        assert_eq!(received.blobs[blob.digest.as_str()], blob.data);
    }
    let manifest = (MANIFEST.to_owned(), image.manifest.data.clone());
    assert_eq!(received.manifests[image.manifest.digest.as_str()], manifest);
    assert_eq!(
        received.manifests[&package.tag],
        (INDEX.to_owned(), package.index.data.clone())
    );
    let last = received.requests.last().unwrap();
    assert_eq!(
        *last,
        format!(
            "PUT /v2/openova/configuration-xplatform/manifests/{}",
            package.tag
        ),
        "the tag appears when all that it leads to is there"
    );
}

#[tokio::test]
async fn a_blob_that_the_registry_has_is_not_sent_again() {
    let (registry, shared) = registry().await;
    let built = built();
    push(&built, &registry).await.unwrap();
    shared.lock().unwrap().requests.clear();
    let again = push(&built, &registry).await.unwrap();
    assert_eq!(
        (again[0].uploaded, again[0].present),
        (0, built.packages()[0].compressed_size())
    );
    let requests = &shared.lock().unwrap().requests;
    let kinds: BTreeSet<_> = requests
        .iter()
        .filter_map(|request| request.split(' ').next())
        .collect();
    assert_eq!(
        kinds,
        BTreeSet::from(["GET", "HEAD", "PUT"]),
        "no upload is begun: {requests:?}"
    );
}

#[tokio::test]
async fn a_registry_that_does_not_say_where_it_put_things_is_asked() {
    let (registry, shared) = registry().await;
    shared.lock().unwrap().without_location = true;
    let built = built();
    let pushed = push(&built, &registry).await.unwrap();
    assert_eq!(pushed[0].uploaded, built.packages()[0].compressed_size());
}

#[tokio::test]
async fn a_refusal_names_the_package_and_carries_the_registrys_reason() {
    let (registry, shared) = registry().await;
    shared.lock().unwrap().refusal = Some("quota exceeded");
    let error = push(&built(), &registry).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("openova/configuration-xplatform:v") && text.contains("refuses the blob"),
        "{text}"
    );
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("quota exceeded"), "{reason}");
}

#[tokio::test]
async fn an_image_that_would_not_run_is_not_published() {
    let mut package = built().packages()[0].clone();
    package.package = Package::named("function-xplatform").unwrap();
    package.images.insert(
        0,
        Image {
            platform: Platform::linux("arm64"),
            runnable: true,
            ..package.images[0].clone()
        },
    );
    let error = Registry::new(PUBLIC_REGISTRY)
        .unwrap()
        .push(&package)
        .await
        .unwrap_err();
    assert!(matches!(error, PushError::NotRunnable { .. }), "{error}");
}

#[test]
fn an_address_needs_a_host_and_a_path() {
    for address in [
        "",
        "openova",
        "127.0.0.1:5000",
        "openova/xplatform",
        "registry.example/",
        "registry.example/UP",
    ] {
        assert!(Registry::new(address).is_err(), "{address}");
    }
    let registry = Registry::new("registry.example/team/openova/").unwrap();
    assert_eq!(
        (registry.host.as_str(), registry.path.as_str()),
        ("registry.example", "team/openova")
    );
}

#[test]
fn plain_http_is_for_this_machine_only() {
    for host in [
        "localhost",
        "localhost:5000",
        "127.0.0.1:5000",
        "127.3.2.1",
        "[::1]:5000",
        "registry.localhost:80",
    ] {
        assert!(is_loopback(host), "{host}");
    }
    for host in [
        "registry.example",
        "10.0.0.1:5000",
        "localhost.example",
        "[2001:db8::1]:443",
    ] {
        assert!(!is_loopback(host), "{host}");
    }
}
