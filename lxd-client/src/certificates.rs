//! The trust store: by token, by password (old servers), by whoever is trusted already.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::answer::Versioned;
use crate::request::{Request, segment};
use crate::types::{Certificate, CertificateOptions};
use crate::{Client, Error, ErrorKind, Fingerprint, Identity, Result};

/// The server's trust store.
#[derive(Debug, Clone)]
pub struct Certificates {
    client: Client,
}

impl Client {
    /// The server's trust store.
    pub fn certificates(&self) -> Certificates {
        Certificates {
            client: self.clone(),
        }
    }
}

/// A trust token, as `lxc config trust add` prints it: it names the server's fingerprint and
/// addresses and holds a secret that is good once.
#[derive(Clone)]
pub struct TrustToken {
    encoded: SecretString,
    content: TokenContent,
}

#[derive(Clone, Deserialize)]
struct TokenContent {
    #[serde(default)]
    client_name: String,
    #[serde(default)]
    server_name: String,
    fingerprint: String,
    #[serde(default)]
    addresses: Option<Vec<String>>,
}

impl TrustToken {
    /// The name that the client will have in the trust store.
    pub fn client_name(&self) -> &str {
        &self.content.client_name
    }

    /// Of a cluster's join token: the name that the joining server will have.
    pub fn server_name(&self) -> &str {
        &self.content.server_name
    }

    /// The server's fingerprint: what to pin.
    ///
    /// # Errors
    /// If the token holds no fingerprint.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        self.content.fingerprint.parse()
    }

    /// Where the server listens, as URLs.
    pub fn addresses(&self) -> Vec<Url> {
        self.content
            .addresses
            .iter()
            .flatten()
            .filter_map(|a| Url::parse(&format!("https://{a}")).ok())
            .collect()
    }

    /// The token's text: a secret.
    pub fn secret(&self) -> &SecretString {
        &self.encoded
    }
}

impl FromStr for TrustToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::invalid("reading a trust token", why);
        let raw = STANDARD
            .decode(text.trim())
            .map_err(|_| bad("expected the base64 that `lxc config trust add` prints"))?;
        let content: TokenContent =
            serde_json::from_slice(&raw).map_err(|_| bad("its content is not a token's JSON"))?;
        Ok(Self {
            encoded: text.trim().to_owned().into(),
            content,
        })
    }
}

impl fmt::Debug for TrustToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustToken")
            .field("client_name", &self.content.client_name)
            .field("fingerprint", &self.content.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// All of them.
    ///
    /// # Errors
    /// If the server cannot be asked or does not trust us.
    pub async fn list(&self) -> Result<Vec<Certificate>> {
        let request = Request::get("/1.0/certificates").query("recursion", "1");
        self.client.collect(request).await
    }

    /// Their fingerprints alone.
    ///
    /// # Errors
    /// As [`Certificates::list`].
    pub async fn names(&self) -> Result<Vec<String>> {
        self.client.names("/1.0/certificates".into()).await
    }

    /// One, with its ETag.
    ///
    /// # Errors
    /// Not found.
    pub async fn get(&self, fingerprint: &Fingerprint) -> Result<Versioned<Certificate>> {
        self.client.get(&path(fingerprint)).await
    }

    /// Adds a client's certificate, as one who is trusted already.
    ///
    /// # Errors
    /// Conflict if it is trusted already.
    pub async fn add(&self, identity: &Identity, options: &CertificateOptions) -> Result<()> {
        self.add_base64(&identity.certificate_base64(), options)
            .await
    }

    /// As [`Certificates::add`], from the base64 of [`crate::certificate_base64`].
    ///
    /// # Errors
    /// Conflict if it is trusted already.
    pub async fn add_base64(&self, certificate: &str, options: &CertificateOptions) -> Result<()> {
        let mut body = body(options);
        body["certificate"] = certificate.into();
        self.post(body).await
    }

    /// Adds the certificate of this very connection by a trust token. Succeeds if it is trusted
    /// already.
    ///
    /// # Errors
    /// Not trusted, if the token is wrong, used or expired; conflict, if another certificate is
    /// trusted by the token's name (LXD 5.21 and later).
    pub async fn trust_by_token(&self, token: &TrustToken) -> Result<()> {
        // Which of the two fields the token goes in is a matter of version: `password` where the
        // server does not know `trust_token`, which from 6.9 refuses `password`.
        let explicit = self.client.has_extension("explicit_trust_token").await?;
        let field = if explicit { "trust_token" } else { "password" };
        self.trust_by(field, token.secret(), "the token is wrong, used or expired")
            .await
    }

    /// Adds the certificate of this very connection by the server's `core.trust_password`.
    /// Succeeds if it is trusted already. Servers from 6.1 have no such password.
    ///
    /// # Errors
    /// Not trusted, if the password is wrong or none is set.
    pub async fn trust_by_password(&self, password: &SecretString) -> Result<()> {
        self.trust_by(
            "password",
            password,
            "the password is wrong or the server has none (use a token)",
        )
        .await
    }

    async fn trust_by(&self, field: &str, secret: &SecretString, hint: &str) -> Result<()> {
        if self.client.server().await?.is_trusted() {
            return Ok(());
        }
        let mut body = json!({"type": "client"});
        body[field] = secret.expose_secret().into();
        match self.post(body).await {
            Ok(()) => Ok(()),
            // It may be the name that is taken, which later servers have once only (seen on 5.21.7).
            Err(e) if e.is_conflict() && self.client.server().await?.is_trusted() => Ok(()),
            Err(e) if e.is_not_trusted() => Err(Error::new(
                ErrorKind::NotTrusted,
                "POST /1.0/certificates",
                format!("not authorized: {hint}"),
            )
            .with_status(403)),
            Err(e) => Err(e),
        }
    }

    async fn post(&self, body: Value) -> Result<()> {
        self.client
            .change(Request::post("/1.0/certificates").json(body))
            .await?
            .wait()
            .await?;
        Ok(())
    }

    /// Makes a token by which a client can add its own certificate, once.
    ///
    /// # Errors
    /// If the server is too old (before 4.23) or does not trust us.
    pub async fn make_token(&self, options: &CertificateOptions) -> Result<TrustToken> {
        self.client
            .require("making a trust token", &["certificate_token"])
            .await?;
        let mut body = body(options);
        body["token"] = true.into();
        let answer = self
            .client
            .send(Request::post("/1.0/certificates").json(body))
            .await?;
        // The operation lives until the token is used, so nobody waits for it.
        let told = &answer.metadata["metadata"];
        let secret = told["secret"].as_str();
        let fingerprint = told["fingerprint"].as_str();
        let (Some(secret), Some(fingerprint)) = (secret, fingerprint) else {
            return Err(Error::new(
                ErrorKind::Protocol,
                "POST /1.0/certificates",
                "the token operation tells no secret",
            )
            .unclear(true));
        };
        let content = json!({
            "client_name": options.name,
            "fingerprint": fingerprint,
            "addresses": told["addresses"],
            "secret": secret,
            "expires_at": told.get("expiresAt").cloned()
                .unwrap_or_else(|| "0001-01-01T00:00:00Z".into()),
        });
        STANDARD.encode(content.to_string()).parse()
    }

    /// Reads one, changes it (its name, what it is confined to), writes it; and again if somebody
    /// else changed it in between.
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify(
        &self,
        fingerprint: &Fingerprint,
        change: impl FnMut(&mut Certificate),
    ) -> Result<crate::Finished> {
        let put = |c: &Certificate| {
            json!({
                "name": c.name, "type": c.kind, "restricted": c.restricted, "projects": c.projects,
                "certificate": c.certificate,
            })
        };
        self.client.modify(&path(fingerprint), put, change).await
    }

    /// Takes a certificate out of the trust store.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete(&self, fingerprint: &Fingerprint) -> Result<()> {
        self.client
            .change(Request::delete(path(fingerprint)))
            .await?
            .wait()
            .await?;
        Ok(())
    }
}

fn body(options: &CertificateOptions) -> Value {
    let mut body = json!({"type": "client"});
    if !options.name.is_empty() {
        body["name"] = options.name.clone().into();
    }
    if !options.projects.is_empty() {
        body["restricted"] = true.into();
        body["projects"] = json!(options.projects);
    }
    body
}

fn path(fingerprint: &Fingerprint) -> String {
    format!("/1.0/certificates/{}", segment(fingerprint.as_str()))
}
