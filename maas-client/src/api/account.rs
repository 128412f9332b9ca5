//! Users, tokens, SSH keys.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::auth::ApiKey;
use crate::error::Result;
use crate::ids::SshKeyId;
use crate::macros::{at, handle};
use crate::model::{SshKey, TokenName, User};

handle! {
    /// The user's own account.
    Account
}

impl Account {
    /// Makes another API key, with a name.
    pub async fn create_token(&self, name: Option<&str>) -> Result<ApiKey> {
        #[derive(Deserialize)]
        struct Answer {
            consumer_key: String,
            token_key: String,
            token_secret: SecretString,
        }
        let a: Answer = self
            .post("account/")
            .op("create_authorisation_token")
            .secret()
            .form("name", name)
            .json()
            .await?;
        Ok(ApiKey::new(a.consumer_key, a.token_key, a.token_secret))
    }

    /// Deletes a token by its key (the second part of an API key).
    pub async fn delete_token(&self, token_key: &str) -> Result<()> {
        self.post("account/")
            .op("delete_authorisation_token")
            .form("token_key", token_key)
            .empty()
            .await
    }

    /// The user's API keys, each with its name.
    pub async fn tokens(&self) -> Result<Vec<(TokenName, ApiKey)>> {
        #[derive(Deserialize)]
        struct Item {
            name: String,
            token: SecretString,
        }
        let items: Vec<Item> = self
            .get("account/")
            .op("list_authorisation_tokens")
            .secret()
            .json()
            .await?;
        items
            .into_iter()
            .map(|i| Ok((TokenName { name: i.name }, i.token.expose_secret().parse()?)))
            .collect()
    }

    /// Names a token, given by its key (the second part of an API key).
    pub async fn rename_token(&self, token_key: &str, name: &str) -> Result<()> {
        self.post("account/")
            .op("update_token_name")
            .form("token", token_key)
            .form("name", name)
            .empty()
            .await
    }
}

handle! {
    /// Users.
    Users
}

impl Users {
    /// Every user, MAAS's own included.
    pub async fn list(&self) -> Result<Vec<User>> {
        self.get("users/").json().await
    }

    /// Whose key this is.
    pub async fn whoami(&self) -> Result<User> {
        self.get("users/").op("whoami").json().await
    }

    /// Makes a user.
    ///
    /// # Errors
    /// [`is_already_exists`](crate::Error::is_already_exists) when the name is taken: MAAS answers that
    /// after some 9 s with a 409 page that advises to retry. Don't.
    pub async fn create(
        &self,
        username: &str,
        email: &str,
        password: &SecretString,
        is_superuser: bool,
    ) -> Result<User> {
        self.post("users/")
            .form("username", username)
            .form("email", email)
            .form("password", password)
            // An op parameter, not a form field: 0 and 1 are what every version reads.
            .form("is_superuser", if is_superuser { "1" } else { "0" })
            .json()
            .await
    }

    /// One user.
    pub async fn read(&self, username: &str) -> Result<User> {
        self.get(at!["users", username]).json().await
    }

    /// Deletes a user, handing what it owns to another where one is named.
    pub async fn delete(&self, username: &str, transfer_to: Option<&str>) -> Result<()> {
        self.del(at!["users", username])
            .query("transfer_resources_to", transfer_to)
            .empty()
            .await
    }
}

handle! {
    /// The user's SSH keys.
    SshKeys
}

impl SshKeys {
    /// All of them.
    pub async fn list(&self) -> Result<Vec<SshKey>> {
        self.get("account/prefs/sshkeys/").json().await
    }

    /// Adds a public key, as it stands in `id_ed25519.pub`.
    pub async fn create(&self, key: &str) -> Result<SshKey> {
        self.post("account/prefs/sshkeys/")
            .form("key", key)
            .json()
            .await
    }

    /// Imports the keys of `lp:NAME` or `gh:NAME`.
    pub async fn import(&self, keysource: &str) -> Result<Vec<SshKey>> {
        self.post("account/prefs/sshkeys/")
            .op("import")
            .form("keysource", keysource)
            .json()
            .await
    }

    /// One key.
    pub async fn read(&self, id: SshKeyId) -> Result<SshKey> {
        self.get(at!["account", "prefs", "sshkeys", id])
            .json()
            .await
    }

    /// Deletes a key.
    pub async fn delete(&self, id: SshKeyId) -> Result<()> {
        self.del(at!["account", "prefs", "sshkeys", id])
            .empty()
            .await
    }
}
