//! The facade `Controller`, and the users' one password call that a fresh controller needs.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{ErrorResult, Results};
use crate::client::Client;
use crate::error::Result;

/// The facade, as [`Client::controller`] gives it.
#[derive(Debug, Clone)]
pub struct Controller(Client);

impl Client {
    /// The controller itself.
    pub fn controller(&self) -> Controller {
        Controller(self.clone())
    }
}

impl Controller {
    /// Its settings.
    ///
    /// # Errors
    /// As every call.
    pub async fn config(&self) -> Result<std::collections::BTreeMap<String, Value>> {
        #[derive(serde::Deserialize)]
        struct Wire {
            #[serde(default, deserialize_with = "super::nullable")]
            config: std::collections::BTreeMap<String, Value>,
        }
        let w: Wire = self
            .0
            .read("Controller", "ControllerConfig", json!({}))
            .await?;
        Ok(w.config)
    }

    /// Destroys the controller, with all models if `destroy_models`. Some seconds after the answer the connection ends and is not made again.
    ///
    /// # Errors
    /// Code `controller has hosted models` while there are models and they may not go.
    pub async fn destroy(&self, destroy_models: bool) -> Result<()> {
        let mut params = json!({"destroy-models": destroy_models});
        if destroy_models {
            params["destroy-storage"] = json!(true);
        }
        self.0
            .call::<Value>("Controller", "DestroyController", params)
            .await
            .map(drop)
    }

    /// Changes a user's password.
    ///
    /// # Errors
    /// An unknown user, a password that is refused.
    pub async fn set_password(&self, user: &str, password: &SecretString) -> Result<()> {
        let params = json!({"changes": [{"tag": format!("user-{user}"), "password": password.expose_secret()}]});
        let r: Results<ErrorResult> = self.0.call("UserManager", "SetPassword", params).await?;
        super::all_ok(r, "UserManager.SetPassword")
    }
}
