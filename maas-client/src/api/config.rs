//! The region's configuration.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Result;
use crate::macros::handle;
use crate::params::FormValue;

handle! {
    /// The region's configuration: named values (`upstream_dns`, `commissioning_distro_series`, `http_proxy`...).
    Config
}

impl Config {
    /// A value, as whatever it is: a text, a number, a truth value or nothing.
    pub async fn get_value(&self, name: &str) -> Result<Value> {
        self.read(name).await
    }

    /// A value as text; `None` where it is not set or empty.
    pub async fn get_text(&self, name: &str) -> Result<Option<String>> {
        Ok(match self.get_value(name).await? {
            Value::Null => None,
            Value::String(text) => Some(text).filter(|t| !t.is_empty()),
            other => Some(other.to_string()),
        })
    }

    /// A value as the given type.
    pub async fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        self.get("maas/")
            .op("get_config")
            .query("name", name)
            .json()
            .await
    }

    /// Sets a value. Setting the same twice is the same as once, so it is repeated when it fails unclearly.
    ///
    /// # Errors
    /// [`ErrorKind::Validation`](crate::ErrorKind::Validation) names the value's key when it is not a valid one.
    pub async fn set(&self, name: &str, value: impl FormValue) -> Result<()> {
        self.post("maas/")
            .op("set_config")
            .form("name", name)
            .form("value", value)
            .repeatable()
            .empty()
            .await
    }
}
