//! The objects of LXD's API, as they travel.
//!
//! Reading is lenient: fields unknown here are kept in `extra` where the object is written back
//! whole, `null` reads as empty, and a configuration value that is a boolean or a number reads as
//! the string that LXD means by it (5.0 shows `core.trust_password` as `true`). Writing is strict:
//! configuration values always go out as strings, as anything else is refused with 400.

mod certificate;
mod image;
mod instance;
mod network;
mod project;
mod resources;
mod server;
mod storage;

pub use certificate::*;
pub use image::*;
pub use instance::*;
pub use network::*;
pub use project::*;
pub use resources::*;
pub use server::*;
pub use storage::*;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Configuration: LXD's keys and values are strings, always.
pub type Config = BTreeMap<String, String>;

/// Devices by name, each a map of strings such as `{"type": "nic", "parent": "br0"}`.
pub type Devices = BTreeMap<String, Config>;

/// Fields of an object that this crate does not name, kept so that a write loses nothing.
pub type Extra = BTreeMap<String, Value>;

/// `null` reads as the default.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// One configuration value: a string, or a scalar that is read as the string meant.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = String;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string, a boolean or a number")
            }
            fn visit_str<E>(self, v: &str) -> Result<String, E> {
                Ok(v.to_owned())
            }
            fn visit_string<E>(self, v: String) -> Result<String, E> {
                Ok(v)
            }
            fn visit_bool<E>(self, v: bool) -> Result<String, E> {
                Ok(v.to_string())
            }
            fn visit_i64<E>(self, v: i64) -> Result<String, E> {
                Ok(v.to_string())
            }
            fn visit_u64<E>(self, v: u64) -> Result<String, E> {
                Ok(v.to_string())
            }
            fn visit_f64<E>(self, v: f64) -> Result<String, E> {
                Ok(v.to_string())
            }
            fn visit_unit<E>(self) -> Result<String, E> {
                Ok(String::new())
            }
            fn visit_none<E>(self) -> Result<String, E> {
                Ok(String::new())
            }
        }
        // YAML has the text as it was written (`mode: 0755` is not 755), if it is asked for text;
        // JSON's readers would refuse a boolean then. No format says which it is, but its name.
        if std::any::type_name::<D>().contains("serde_saphyr") {
            return String::deserialize(deserializer).map(Scalar);
        }
        deserializer.deserialize_any(Visitor).map(Scalar)
    }
}

/// A configuration map whose values may be any scalar, or `null` altogether.
pub(crate) fn config<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Config, D::Error> {
    let map = Option::<BTreeMap<String, Scalar>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(k, v)| (k, v.0)).collect())
}

/// Devices whose values may be any scalar, or `null` altogether.
pub(crate) fn devices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Devices, D::Error> {
    let map = Option::<BTreeMap<String, BTreeMap<String, Scalar>>>::deserialize(deserializer)?
        .unwrap_or_default();
    Ok(map
        .into_iter()
        .map(|(name, d)| (name, d.into_iter().map(|(k, v)| (k, v.0)).collect()))
        .collect())
}

/// An enum of strings that survives the values it does not know.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A value that this version of the crate does not know.
            Unknown(String),
        }
        impl $name {
            /// The value as LXD writes it.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $text,)+ Self::Unknown(s) => s }
            }
        }
        impl From<&str> for $name {
            fn from(s: &str) -> Self {
                match s { $($text => Self::$variant,)+ other => Self::Unknown(other.to_owned()) }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Ok(Self::from(String::deserialize(d)?.as_str()))
            }
        }
    };
}
pub(crate) use text_enum;
