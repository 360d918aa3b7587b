//! Tokens with which nodes join a k3s cluster.
//!
//! The full form, `K10<hash>::<user>:<password>`, names the authority that the node
//! must find before it shows the password, so a node never joins the wrong cluster.
//! Source: k3s, `pkg/clientaccess/token.go`.

use super::authority::hex;
use super::{Authority, Entropy, Secret};

/// What every full token starts with.
const PREFIX: &str = "K10";
/// Hexadecimal digits of a SHA-256, which are also those of our passwords.
const DIGITS: usize = 64;

/// As whom a node joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUser {
    /// A server. Its token also encrypts the authorities that the cluster keeps in
    /// its own store.
    Server,
    /// An agent, which may never become a server.
    Agent,
}

impl TokenUser {
    /// The name that k3s gives to the user.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "node",
        }
    }
}

/// A full token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the authority's certificate file, in hexadecimal.
    pub authority: String,
    /// As whom to join.
    pub user: TokenUser,
    /// The password.
    pub password: Secret,
}

impl Token {
    /// The token for nodes that join the cluster of this server authority.
    pub fn new(server: &Authority, user: TokenUser, password: &Secret) -> Self {
        Self {
            authority: server.hash(),
            user,
            password: password.clone(),
        }
    }

    /// The token as k3s reads it.
    pub fn to_text(&self) -> Secret {
        Secret::new(format!(
            "{PREFIX}{}::{}:{}",
            self.authority,
            self.user.as_str(),
            self.password.expose()
        ))
    }

    /// Reads a full token. The short form, a password alone, is refused: it does not
    /// say which cluster to trust.
    ///
    /// # Errors
    ///
    /// When the token is not of the full form, or its user is neither server nor node.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let (authority, credentials) = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once("::"))
            .ok_or(TokenError::Form)?;
        if !is_hex(authority) {
            return Err(TokenError::Authority);
        }
        let (user, password) = credentials.split_once(':').ok_or(TokenError::Form)?;
        let user = [TokenUser::Server, TokenUser::Agent]
            .into_iter()
            .find(|known| known.as_str() == user)
            .ok_or(TokenError::User)?;
        if password.is_empty() {
            return Err(TokenError::Form);
        }
        Ok(Self {
            authority: authority.to_owned(),
            user,
            password: Secret::new(password),
        })
    }
}

/// Why a text is not a full token. The text itself is a secret and not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not of the form.
    #[error("is not a token of the form K10<hash>::<user>:<password>")]
    Form,
    /// The hash is none.
    #[error("names no authority: 64 hexadecimal digits are expected after K10")]
    Authority,
    /// The user is unknown.
    #[error("is for a user that k3s does not know: server and node are")]
    User,
}

/// A new password. Never of the form of a kubeadm token (`abcdef.…`), which k3s takes
/// for something else.
pub(super) fn password(entropy: &Entropy, label: &str) -> Secret {
    Secret::new(hex(&*entropy.bytes(label)))
}

/// Whether this is a password of ours.
pub(super) fn is_password(text: &str) -> bool {
    is_hex(text)
}

fn is_hex(text: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == DIGITS && text.bytes().all(digit)
}
