//! HTTP/1.1 with TLS: sends one request, reads one answer, within time and size limits. Knows nothing of the API.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::DEFAULT_ENDPOINT;
use super::client::Settings;
use super::error::Reach;

/// Idle connections are closed before the far side is likely to close them, so that few requests meet a dead one.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// Where an API is served: scheme, authority and base path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(String);

/// The text is not an endpoint. It is not quoted: what is wrong with it may be that it holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an endpoint: expected http(s)://host[:port][/path] without user, query and fragment, for example {DEFAULT_ENDPOINT}"
)]
pub struct InvalidEndpoint;

impl Endpoint {
    /// Reads `http(s)://host[:port][/path]`. Credentials and queries are refused; they would end up in messages.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let trimmed = text.trim().trim_end_matches('/');
        let uri: Uri = trimmed.parse().map_err(|_| InvalidEndpoint)?;
        let scheme = uri.scheme().ok_or(InvalidEndpoint)?;
        let authority = uri.authority().ok_or(InvalidEndpoint)?;
        let plain = (*scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
            && !authority.as_str().contains('@')
            && !authority.host().is_empty()
            && uri.query().is_none()
            && !trimmed.contains('#');
        if plain {
            Ok(Self(trimmed.to_owned()))
        } else {
            Err(InvalidEndpoint)
        }
    }

    /// The endpoint without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self(DEFAULT_ENDPOINT.to_owned())
    }
}

/// A token of a Hetzner Cloud project. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Token(HeaderValue);

/// The text cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// There is nothing but white space.
    #[error("the token is empty")]
    Empty,
    /// A token is a word of printable ASCII characters.
    #[error("the token has white space or characters that a token cannot have")]
    Characters,
}

impl Token {
    /// Reads a token; white space around it, such as a last line break, does not count.
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidToken::Empty);
        }
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(InvalidToken::Characters);
        }
        let mut value = HeaderValue::try_from(format!("Bearer {text}"))
            .map_err(|_| InvalidToken::Characters)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(super) fn authorization(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// A header's text; `None` when it is missing or no text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// There is no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reach: Reach,
    pub(super) source: Arc<dyn StdError + Send + Sync>,
}

#[derive(Debug, thiserror::Error)]
enum TransportError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("cannot write the request")]
    Request(#[source] http::Error),
    #[error("cannot read the answer's body")]
    Body(#[source] Box<dyn StdError + Send + Sync>),
}

/// Connections to all endpoints; cheap to clone.
#[derive(Clone)]
pub(super) struct Transport {
    client: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    user_agent: HeaderValue,
    request_timeout: Duration,
    answer_limit: usize,
}

impl Transport {
    pub(super) fn new(settings: &Settings) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(settings.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = HyperClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .build(connector);
        Ok(Self {
            client,
            user_agent: settings.user_agent.clone(),
            request_timeout: settings.request_timeout,
            answer_limit: settings.answer_limit,
        })
    }

    pub(super) async fn exchange(
        &self,
        method: Method,
        uri: String,
        token: &Token,
        body: Option<Bytes>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::AUTHORIZATION, token.authorization())
            .header(header::USER_AGENT, &self.user_agent)
            .header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| Failure::unsent(TransportError::Request(error)))?;
        match tokio::time::timeout(self.request_timeout, self.send(request)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::sent(TransportError::Timeout(self.request_timeout))),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                Failure::unsent(error)
            } else {
                Failure::sent(error)
            }
        })?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, self.answer_limit)
            .collect()
            .await
            .map_err(|error| Failure::sent(TransportError::Body(error)))?
            .to_bytes();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Failure {
    fn unsent(source: impl StdError + Send + Sync + 'static) -> Self {
        let reach = Reach::Unsent;
        Self {
            reach,
            source: Arc::new(source),
        }
    }

    fn sent(source: impl StdError + Send + Sync + 'static) -> Self {
        let reach = Reach::Sent;
        Self {
            reach,
            source: Arc::new(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_an_address_and_nothing_else() {
        let good = [
            (
                "https://api.hetzner.cloud/v1",
                "https://api.hetzner.cloud/v1",
            ),
            ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1"),
            (" http://[::1]:1 ", "http://[::1]:1"),
        ];
        for (text, endpoint) in good {
            assert_eq!(Endpoint::parse(text).unwrap().as_str(), endpoint);
        }
        let bad = [
            "",
            "api.hetzner.cloud",
            "/v1",
            "ftp://host/v1",
            "https://user:secret@host/v1",
            "https://host/v1?x=1",
            "https://host/v1#x",
            "https://",
        ];
        for text in bad {
            let error = Endpoint::parse(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_token_is_trimmed_checked_and_never_shown() {
        let token = Token::new("  s3cret\n").unwrap();
        assert_eq!(token.authorization(), "Bearer s3cret");
        assert_eq!(
            format!("{token:?}{:?}", token.authorization()),
            "TokenSensitive"
        );
        assert_eq!(Token::new(" \n").unwrap_err(), InvalidToken::Empty);
        for text in ["two words", "line\nbreak", "ä"] {
            assert_eq!(
                Token::new(text).unwrap_err(),
                InvalidToken::Characters,
                "{text}"
            );
        }
    }
}
