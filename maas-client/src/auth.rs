//! API keys and MAAS's OAuth 1.0 PLAINTEXT signature.

use std::fmt;
use std::num::NonZeroU64;
use std::path::Path;
use std::str::FromStr;

use oauth1_request::signature_method::PLAINTEXT;
use oauth1_request::{Credentials, Token};
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind, Result};

/// An API key: `<consumer>:<token>:<secret>`, as `maas apikey` and the web page print it.
#[derive(Clone)]
pub struct ApiKey {
    consumer: String,
    token: String,
    secret: SecretString,
}

impl ApiKey {
    /// Puts a key together from its three parts.
    pub fn new(
        consumer: impl Into<String>,
        token: impl Into<String>,
        secret: impl Into<SecretString>,
    ) -> Self {
        Self {
            consumer: consumer.into(),
            token: token.into(),
            secret: secret.into(),
        }
    }

    /// Reads the key from an environment variable.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when it is not set or is no key.
    pub fn from_env(variable: &str) -> Result<Self> {
        let text = std::env::var(variable).map_err(|_| {
            Error::new(
                ErrorKind::Input,
                format!("read the API key from ${variable}"),
                "the variable is not set",
            )
        })?;
        text.parse()
    }

    /// Reads the key from a file (as `maas apikey > FILE` writes it).
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when the file cannot be read or holds no key.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::new(
                ErrorKind::Input,
                format!("read the API key from {}", path.display()),
                e.to_string(),
            )
            .with_source(e)
        })?;
        text.parse()
    }

    /// The consumer's key, the first part.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// The token's key, the second part.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The whole key as one string, for handing it on (Juju's credential, a file of mode 600).
    pub fn expose(&self) -> SecretString {
        format!(
            "{}:{}:{}",
            self.consumer,
            self.token,
            self.secret.expose_secret()
        )
        .into()
    }

    /// Removes the secret from a text: a 401 for a bad signature echoes it.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let secret = self.secret.expose_secret();
        if secret.is_empty() {
            text.to_owned()
        } else {
            text.replace(secret, "[secret]")
        }
    }

    /// A fresh `Authorization` header value: every try has its own nonce, since MAAS refuses a
    /// nonce that it has seen and a timestamp more than 300 s off.
    pub(crate) fn header(&self) -> Result<http::HeaderValue> {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |d| d.as_secs());
        let nonce = format!("{:032x}", rand::random::<u128>());
        let token = Token::new(
            Credentials::new(self.consumer.as_str(), ""),
            Credentials::new(self.token.as_str(), self.secret.expose_secret()),
        );
        let mut builder = oauth1_request::Builder::with_token(token, PLAINTEXT);
        builder
            .nonce(nonce.as_str())
            .timestamp(NonZeroU64::new(now))
            .version(true);
        // PLAINTEXT does not sign the URL, and oauth1-request refuses one with a query.
        let header = builder.authorize("GET", "http://maas/", &());
        // It leaves the signature's `&` as it is; RFC 5849 (3.5.1) wants it escaped.
        let header = header.replacen("oauth_signature=\"&", "oauth_signature=\"%26", 1);
        let mut value = http::HeaderValue::from_str(&header).map_err(|_| {
            Error::input("the API key holds characters that no HTTP header can carry")
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl FromStr for ApiKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.trim().split(':').collect();
        match parts.as_slice() {
            [c, t, s]
                if [c, t, s]
                    .iter()
                    .all(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_graphic())) =>
            {
                Ok(Self::new(*c, *t, (*s).to_owned()))
            }
            _ => Err(Error::new(
                ErrorKind::Input,
                "read the API key",
                format!(
                    "it has {} parts separated by ':', expected three: <consumer>:<token>:<secret>",
                    parts.len()
                ),
            )
            .with_hint("print one with `maas apikey --username <admin>` on the region")),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}:{}:<secret>)", self.consumer, self.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_plaintext_with_fresh_nonces() {
        let key: ApiKey = "cons:tok:s3cret\n".parse().unwrap();
        let one = key.header().unwrap();
        let two = key.header().unwrap();
        let text = one.to_str().unwrap();
        assert!(text.starts_with("OAuth "), "{text}");
        for part in [
            "oauth_signature_method=\"PLAINTEXT\"",
            "oauth_signature=\"%26s3cret\"",
            "oauth_consumer_key=\"cons\"",
            "oauth_token=\"tok\"",
            "oauth_version=\"1.0\"",
        ] {
            assert!(text.contains(part), "{part} missing in {text}");
        }
        assert_ne!(one, two);
    }

    #[test]
    fn keys_are_checked_and_hidden() {
        assert!("a:b".parse::<ApiKey>().is_err());
        assert!("a:b:".parse::<ApiKey>().is_err());
        let key: ApiKey = "a:b:hidden".parse().unwrap();
        assert!(!format!("{key:?}").contains("hidden"));
        assert_eq!(key.scrub("string: &hidden'"), "string: &[secret]'");
        assert_eq!(key.expose().expose_secret(), "a:b:hidden");
    }
}
