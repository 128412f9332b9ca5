//! The client: one method a call.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::types::{Health, InitKeys, SealStatus, Shares, Token, TokenInfo};
use crate::rest::{Answer, Error, ErrorKind, Reach, Rest, Result, shown, under};

/// A client of one Vault server (one unit: sealing is a unit's own affair, so each unit has its client).
#[derive(Clone)]
pub struct Client {
    rest: Rest,
    url: Url,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("vault::Client")
            .field("url", &shown(&self.url))
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `url` (`http://10.42.0.19:8200`), reached as `reach` says.
    pub fn new(url: Url, reach: &Reach) -> Result<Self> {
        Ok(Self {
            rest: Rest::new("Vault", reach)?,
            url,
        })
    }

    /// The server's address, without credentials.
    pub fn url(&self) -> String {
        shown(&self.url)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretString>,
        body: Option<Value>,
    ) -> Result<Answer> {
        let mut headers = Vec::new();
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.expose_secret()).map_err(|_| {
                Error::new(
                    ErrorKind::Config,
                    format!("Vault: {method} {path}"),
                    "the token holds characters that no header can carry",
                )
            })?;
            value.set_sensitive(true);
            headers.push((HeaderName::from_static("x-vault-token"), value));
        }
        self.rest
            .send(
                method,
                under(&self.url, &format!("v1/{path}")),
                &headers,
                body.as_ref(),
            )
            .await
    }

    /// The server's state. 429, 472, 473, 501 and 503 are states, not errors.
    pub async fn health(&self) -> Result<Health> {
        let answer = self.call(Method::GET, "sys/health", None, None).await?;
        match answer.status.as_u16() {
            200 | 429 | 472 | 473 | 501 | 503 => answer.json().map_err(|e| {
                // A load balancer answers 503 too, in HTML: that is no state of Vault's.
                if answer.status.is_success() {
                    e
                } else {
                    answer.refusal().advice(
                        "The answer is not Vault's: is there something else at this address?",
                    )
                }
            }),
            _ => Err(answer.refusal()),
        }
    }

    /// Whether keys exist, whether they are needed, and how many have been given.
    pub async fn seal_status(&self) -> Result<SealStatus> {
        let answer = self
            .call(Method::GET, "sys/seal-status", None, None)
            .await?;
        if answer.status == StatusCode::BAD_REQUEST
            && answer.refusal().answer().contains("not yet initialized")
        {
            return Ok(SealStatus {
                sealed: true,
                ..SealStatus::default()
            });
        }
        answer.success()?.json()
    }

    /// Initialises the server. **One-shot**: the keys are in this answer and nowhere else. Use [`keys::initialise`](super::keys::initialise),
    /// which writes down the intent before and the keys after.
    ///
    /// # Errors
    /// 400 `Vault is already initialized`; an unclear error ([`Error::is_unclear`]) if the answer was lost: then look at [`Client::seal_status`],
    /// and if it says initialised, the keys are lost. Not cancel safe.
    pub async fn init(&self, shares: Shares) -> Result<InitKeys> {
        #[derive(Deserialize)]
        struct Made {
            #[serde(default)]
            keys: Vec<SecretString>,
            #[serde(default)]
            keys_base64: Vec<SecretString>,
            root_token: SecretString,
        }
        let body = json!({"secret_shares": shares.shares, "secret_threshold": shares.threshold});
        let answer = self
            .call(Method::PUT, "sys/init", None, Some(body))
            .await?
            .success()?;
        let made: Made = answer.json()?;
        let keys = if made.keys_base64.is_empty() {
            made.keys
        } else {
            made.keys_base64
        };
        if keys.len() != usize::from(shares.shares) {
            return Err(Error::new(
                ErrorKind::Unexpected,
                answer.operation,
                format!(
                    "{} keys came back where {} were asked for",
                    keys.len(),
                    shares.shares
                ),
            )
            .with_unclear(true));
        }
        Ok(InitKeys {
            keys,
            root_token: made.root_token,
            threshold: shares.threshold,
        })
    }

    /// Gives one key. The same key twice is not counted twice. A wrong key is only found out at the threshold: then the answer is 400
    /// and the progress starts again.
    pub async fn unseal(&self, key: &SecretString) -> Result<SealStatus> {
        self.call(
            Method::PUT,
            "sys/unseal",
            None,
            Some(json!({"key": key.expose_secret()})),
        )
        .await?
        .success()?
        .json()
    }

    /// Forgets the keys that were given so far.
    pub async fn reset_unseal(&self) -> Result<SealStatus> {
        self.call(
            Method::PUT,
            "sys/unseal",
            None,
            Some(json!({"reset": true})),
        )
        .await?
        .success()?
        .json()
    }

    /// Creates a token that lives for `ttl` (whole seconds), as a child of `token`: what the charm's `authorize-charm` action is given.
    pub async fn create_token(&self, token: &SecretString, ttl: Duration) -> Result<Token> {
        #[derive(Deserialize)]
        struct Made {
            auth: Auth,
        }
        #[derive(Deserialize)]
        struct Auth {
            client_token: SecretString,
            #[serde(default)]
            lease_duration: u64,
            #[serde(default)]
            policies: Option<Vec<String>>,
        }
        let body = json!({"ttl": format!("{}s", ttl.as_secs())});
        let made: Made = self
            .call(Method::POST, "auth/token/create", Some(token), Some(body))
            .await?
            .success()?
            .json()?;
        Ok(Token {
            token: made.auth.client_token,
            lease_duration: made.auth.lease_duration,
            policies: made.auth.policies.unwrap_or_default(),
        })
    }

    /// What `token` is. A token that is not one gives 403 ([`Error::is_denied`]).
    pub async fn lookup_self(&self, token: &SecretString) -> Result<TokenInfo> {
        #[derive(Deserialize)]
        struct Found {
            data: TokenInfo,
        }
        let found: Found = self
            .call(Method::GET, "auth/token/lookup-self", Some(token), None)
            .await?
            .success()?
            .json()?;
        Ok(found.data)
    }

    /// Ends `token` and its children before its time.
    pub async fn revoke_self(&self, token: &SecretString) -> Result<()> {
        self.call(Method::POST, "auth/token/revoke-self", Some(token), None)
            .await?
            .success()?;
        Ok(())
    }
}
