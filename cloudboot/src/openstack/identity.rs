//! Who asks, and for what.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// Who asks.
#[derive(Clone)]
#[non_exhaustive]
pub enum Credential {
    /// A user's name, domain and password.
    Password {
        /// The user's name (`admin`).
        user: String,
        /// The name of the user's domain (`admin_domain` with the keystone charm, `Default` elsewhere).
        user_domain: String,
        /// The password.
        password: SecretString,
    },
    /// An application credential: it carries its own scope.
    ApplicationCredential {
        /// Its id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password {
                user, user_domain, ..
            } => f
                .debug_struct("Password")
                .field("user", user)
                .field("user_domain", user_domain)
                .finish_non_exhaustive(),
            Self::ApplicationCredential { id, .. } => f
                .debug_struct("ApplicationCredential")
                .field("id", id)
                .finish_non_exhaustive(),
        }
    }
}

/// What the token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// A project: what Nova wants.
    Project {
        /// The project's name (`admin`).
        name: String,
        /// The name of its domain.
        domain: String,
    },
    /// A domain, for identity administration.
    Domain {
        /// The domain's name.
        name: String,
    },
    /// The whole system.
    System,
    /// Nothing beyond who asks (and the scope that an application credential carries).
    Unscoped,
}

/// The body of `POST /v3/auth/tokens`.
pub(crate) fn auth_body(credential: &Credential, scope: &Scope) -> Value {
    let identity = match credential {
        Credential::Password {
            user,
            user_domain,
            password,
        } => json!({
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": {"name": user_domain}, "password": password.expose_secret()}},
        }),
        Credential::ApplicationCredential { id, secret } => json!({
            "methods": ["application_credential"],
            "application_credential": {"id": id, "secret": secret.expose_secret()},
        }),
    };
    let scope = match (credential, scope) {
        (Credential::ApplicationCredential { .. }, _) | (_, Scope::Unscoped) => None,
        (_, Scope::Project { name, domain }) => {
            Some(json!({"project": {"name": name, "domain": {"name": domain}}}))
        }
        (_, Scope::Domain { name }) => Some(json!({"domain": {"name": name}})),
        (_, Scope::System) => Some(json!({"system": {"all": true}})),
    };
    match scope {
        Some(scope) => json!({"auth": {"identity": identity, "scope": scope}}),
        None => json!({"auth": {"identity": identity}}),
    }
}
