//! Tokens with which machines join: `K10<hash of the authority>::<user>:<password>`.

use std::fmt;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// A token in its full form.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// The [`hash`] of the cluster's authority.
    pub(super) authority: String,
    /// As whom the machine joins.
    pub(super) user: String,
    pub(super) password: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("authority", &self.authority)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Token {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let form = "the token is not of the form K10<hash>::<user>:<password>";
        let (authority, rest) = text
            .strip_prefix("K10")
            .and_then(|rest| rest.split_once("::"))
            .context(form)?;
        let (user, password) = rest.split_once(':').context(form)?;
        ensure!(
            authority.len() == 64 && authority.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "the token's hash is no SHA-256"
        );
        ensure!(!password.is_empty(), "the token has no password");
        Ok(Self {
            authority: authority.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// By what k3s recognises an authority that is one certificate: the SHA-256 of the file, in hexadecimal.
pub(super) fn hash(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_full_form_says_which_cluster_to_trust() {
        let authority = hash(b"certificate\n");
        let token = Token::parse(&format!("K10{authority}::server:pass:word")).unwrap();
        assert_eq!(
            (token.user.as_str(), token.password.as_str()),
            ("server", "pass:word")
        );
        assert_eq!(token.authority, authority);
        assert!(!format!("{token:?}").contains("pass"));
        let table = [
            ("password".to_owned(), "not of the form"),
            (format!("K10{authority}"), "not of the form"),
            (format!("K10{authority}::server"), "not of the form"),
            (format!("K10{authority}::server:"), "no password"),
            ("K10beef::server:secret".to_owned(), "no SHA-256"),
        ];
        for (text, expected) in table {
            let message = Token::parse(&text).unwrap_err().to_string();
            assert!(message.contains(expected), "{expected}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
