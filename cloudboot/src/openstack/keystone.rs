//! Keystone v3: a token, its catalog, and requests that carry it.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::catalog::{Catalog, Interface};
use super::identity::{Credential, Scope, auth_body};
use super::{Nova, Placement};
use crate::rest::{Answer, Error, ErrorKind, Reach, Rest, Result, shown, under};

/// An issued token.
#[derive(Clone)]
#[non_exhaustive]
pub struct Token {
    /// The token itself.
    pub id: SecretString,
    /// When it expires, as Keystone says it (RFC 3339).
    pub expires_at: String,
    /// The user's id.
    pub user_id: String,
    /// The project's id, if it is scoped to one.
    pub project_id: Option<String>,
    /// The names of the user's roles there.
    pub roles: Vec<String>,
    /// Where the services answer.
    pub catalog: Catalog,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires_at", &self.expires_at)
            .field("user_id", &self.user_id)
            .field("project_id", &self.project_id)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// A client of one Keystone, with who asks and for what. It authenticates when first used and again when a service says 401.
#[derive(Clone)]
pub struct Keystone(Arc<Inner>);

struct Inner {
    rest: Rest,
    auth_url: Url,
    credential: Credential,
    scope: Scope,
    region: Option<String>,
    interface: Interface,
    token: Mutex<Option<Arc<Token>>>,
}

impl fmt::Debug for Keystone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystone")
            .field("auth_url", &shown(&self.0.auth_url))
            .field("credential", &self.0.credential)
            .field("scope", &self.0.scope)
            .finish_non_exhaustive()
    }
}

impl Keystone {
    /// A client of the Keystone at `auth_url` (with or without its `/v3`), reached as `reach` says. Nothing is sent yet.
    pub fn new(auth_url: Url, credential: Credential, scope: Scope, reach: &Reach) -> Result<Self> {
        let auth_url = match auth_url.path().trim_end_matches('/') {
            path if path.ends_with("/v3") => auth_url,
            _ => under(&auth_url, "v3"),
        };
        let rest = Rest::new("OpenStack", reach)?;
        let (region, interface, token) = (None, Interface::Public, Mutex::new(None));
        Ok(Self(Arc::new(Inner {
            rest,
            auth_url,
            credential,
            scope,
            region,
            interface,
            token,
        })))
    }

    /// The same client for the endpoints of one region, and those meant for `interface` (public by default). It has its own token.
    #[must_use]
    pub fn with_endpoints(&self, region: Option<String>, interface: Interface) -> Self {
        let i = &self.0;
        Self(Arc::new(Inner {
            rest: i.rest.clone(),
            auth_url: i.auth_url.clone(),
            credential: i.credential.clone(),
            scope: i.scope.clone(),
            region,
            interface,
            token: Mutex::new(None),
        }))
    }

    /// Keystone's address, with its `/v3`.
    pub fn auth_url(&self) -> &Url {
        &self.0.auth_url
    }

    /// Asks Keystone for a new token.
    ///
    /// # Errors
    /// 401 ([`Error::is_denied`]): Keystone does not say whether the user, the domain or the password is wrong.
    pub async fn authenticate(&self) -> Result<Token> {
        #[derive(Deserialize)]
        struct Issued {
            token: Body,
        }
        #[derive(Deserialize)]
        #[serde(default)]
        #[derive(Default)]
        struct Body {
            expires_at: String,
            user: Id,
            project: Option<Id>,
            roles: Vec<Id>,
            catalog: Catalog,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Id {
            id: String,
            name: String,
        }
        let i = &self.0;
        let body = auth_body(&i.credential, &i.scope);
        let answer = i
            .rest
            .send(
                Method::POST,
                under(&i.auth_url, "auth/tokens"),
                &[],
                Some(&body),
            )
            .await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(answer
                .refusal()
                .advice("Check the user, its domain, the project, its domain and the password"));
        }
        let answer = answer.success()?;
        let id = answer
            .header("x-subject-token")
            .map(SecretString::from)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Unexpected,
                    &answer.operation,
                    "an answer without a token (X-Subject-Token)",
                )
                .with_status(answer.status)
                .advice("Is there something else than Keystone at this address?")
            })?;
        let Body {
            expires_at,
            user,
            project,
            roles,
            catalog,
        } = answer.json::<Issued>()?.token;
        let (user_id, project_id) = (user.id, project.map(|p| p.id));
        let roles = roles.into_iter().map(|r| r.name).collect();
        Ok(Token {
            id,
            expires_at,
            user_id,
            project_id,
            roles,
            catalog,
        })
    }

    /// The present token; a new one at the first call. Concurrent callers share one authentication.
    pub async fn token(&self) -> Result<Arc<Token>> {
        self.fresh(None).await
    }

    /// A token other than `refused`.
    async fn fresh(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>> {
        let mut held = self.0.token.lock().await;
        if let Some(token) = &*held
            && !refused.is_some_and(|r| Arc::ptr_eq(r, token))
        {
            return Ok(Arc::clone(token));
        }
        *held = None;
        let token = Arc::new(self.authenticate().await?);
        *held = Some(Arc::clone(&token));
        Ok(token)
    }

    /// Where the service of type `kind` (`compute`) answers.
    pub async fn endpoint(&self, kind: &str) -> Result<Url> {
        let token = self.token().await?;
        let (region, interface) = (self.0.region.as_deref(), &self.0.interface);
        token.catalog.url(kind, interface, region).ok_or_else(|| {
            let known: Vec<_> = token.catalog.kinds().collect();
            let place = region.map(|r| format!(" in region {r}")).unwrap_or_default();
            Error::new(
                ErrorKind::Unexpected,
                format!("OpenStack: find the {interface:?} endpoint of {kind}{place}"),
                format!("the catalog has none; it knows: {}", if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }),
            )
            .advice("Is the service deployed and related to Keystone, and is the token scoped to a project?")
        })
    }

    /// Nova, with the microversion negotiated.
    pub async fn nova(&self) -> Result<Nova> {
        Nova::connect(self.clone()).await
    }

    /// Placement.
    pub async fn placement(&self) -> Result<Placement> {
        Placement::connect(self.clone()).await
    }

    /// Sends a request with the token; on 401 once more with a new one (a request answered 401 was not acted upon).
    /// Not cancel safe for methods that change something.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: &[(HeaderName, HeaderValue)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut token = self.token().await?;
        for again in [true, false] {
            let mut value = HeaderValue::from_str(token.id.expose_secret()).map_err(|_| {
                Error::new(
                    ErrorKind::Unexpected,
                    "OpenStack: authenticate",
                    "a token that no header can carry",
                )
            })?;
            value.set_sensitive(true);
            let mut all = headers.to_vec();
            all.push((HeaderName::from_static("x-auth-token"), value));
            let answer = self
                .0
                .rest
                .send(method.clone(), url.clone(), &all, body)
                .await?;
            if answer.status != StatusCode::UNAUTHORIZED || !again {
                return answer.success();
            }
            token = self.fresh(Some(&token)).await?;
        }
        // The loop returns in its second turn.
        Err(Error::new(
            ErrorKind::Unexpected,
            "OpenStack: authenticate",
            "no answer",
        ))
    }
}
