//! Declarations that every part of the API uses.

use serde::{Deserialize, Deserializer};

thread_local! {
    /// Whether what cannot be read takes its default: the second reading of an answer.
    static LENIENT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs a reading in which fields that cannot be read take their default.
pub(crate) fn leniently<T>(read: impl FnOnce() -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            LENIENT.set(false);
        }
    }
    LENIENT.set(true);
    let _reset = Reset;
    read()
}

/// What gives back the memory that it was read into and does not need: a list that grew item by item has
/// room for up to twice as many, and ten thousand machines hold a hundred thousand lists.
pub(crate) trait Lean {
    /// Gives it back.
    fn lean(&mut self) {}
}

impl<T> Lean for Vec<T> {
    fn lean(&mut self) {
        self.shrink_to_fit();
    }
}

impl<T> Lean for Option<T> {}
impl<T> Lean for Box<T> {}
impl<K, V> Lean for std::collections::BTreeMap<K, V> {}
impl Lean for serde_json::Map<String, serde_json::Value> {}

macro_rules! lean {
    ($($t:ty),*) => { $(impl Lean for $t {})* };
}
lean!(
    compact_str::CompactString,
    String,
    bool,
    u8,
    u16,
    u32,
    u64,
    i64,
    f64,
    serde_json::Value
);
lean!(
    crate::model::NodeStatus,
    crate::model::InterfaceSettings,
    crate::model::VmResources
);

/// Reads a missing or `null` value as the type's default: MAAS sends `null` for most things unknown.
pub(crate) fn or_default<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned + Default + Lean,
{
    if LENIENT.get() {
        return salvage(d);
    }
    let mut value = Option::<T>::deserialize(d)?.unwrap_or_default();
    value.lean();
    Ok(value)
}

/// A function of its own, so that the usual reading does not carry its stack frame at every level.
#[inline(never)]
fn salvage<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned + Default,
{
    let value = serde_json::Value::deserialize(d)?;
    Ok(serde_json::from_value::<Option<T>>(value)
        .ok()
        .flatten()
        .unwrap_or_default())
}

/// Declares a type of an answer. Fields in `[...]` must be there; the others take their default when they are missing or `null`.
macro_rules! model {
    ($(#[$meta:meta])* $name:ident { $([$($(#[$rmeta:meta])* $req:ident : $rty:ty),* $(,)?])? $($(#[$fmeta:meta])* $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub struct $name {
            $($($(#[$rmeta])* pub $req: $rty,)*)?
            $($(#[$fmeta])* #[serde(default, deserialize_with = "crate::macros::or_default")] pub $field: $ty,)*
        }
    };
}
pub(crate) use model;

/// Declares an enumeration of strings that survives values which it does not know.
macro_rules! string_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* $variant,)*
            /// A value that this crate does not know, as it was sent.
            Unknown(String),
        }

        impl $name {
            /// The value as MAAS writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Unknown(text) => text,
                }
            }
        }

        impl $crate::macros::Lean for $name {}

        impl Default for $name {
            fn default() -> Self {
                Self::Unknown(String::new())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Unknown(other.to_owned()),
                }
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
                Ok(Self::from(&*std::borrow::Cow::<'_, str>::deserialize(d)?))
            }
        }

        impl $crate::params::FormValue for $name {
            fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
                out.push((name.to_owned(), self.as_str().to_owned()));
            }

            fn read(name: &str, pairs: &[(String, String)]) -> Option<Self> {
                $crate::params::first(name, pairs).map(Self::from)
            }
        }
    };
}
pub(crate) use string_enum;

/// Declares an id that is a number in MAAS.
macro_rules! number_id {
    ($($(#[$meta:meta])* $name:ident),* $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $crate::macros::Lean for $name {}

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;
            fn from_str(text: &str) -> $crate::Result<Self> {
                text.parse().map(Self).map_err(|_| $crate::error::Error::input(format!("{text:?} is no {}", stringify!($name))))
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl $crate::params::FormValue for $name {
            fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
                out.push((name.to_owned(), self.0.to_string()));
            }

            fn read(name: &str, pairs: &[(String, String)]) -> Option<Self> {
                $crate::params::first(name, pairs)?.parse().ok()
            }
        }
    )*};
}
pub(crate) use number_id;

/// Declares a handle on one part of the API.
macro_rules! handle {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name(pub(crate) $crate::Client);

        #[allow(dead_code)]
        impl $name {
            pub(super) fn get(&self, path: impl AsRef<str>) -> $crate::call::Call {
                self.0.raw(http::Method::GET, path.as_ref())
            }
            pub(super) fn post(&self, path: impl AsRef<str>) -> $crate::call::Call {
                self.0.raw(http::Method::POST, path.as_ref())
            }
            pub(super) fn put(&self, path: impl AsRef<str>) -> $crate::call::Call {
                self.0.raw(http::Method::PUT, path.as_ref())
            }
            pub(super) fn del(&self, path: impl AsRef<str>) -> $crate::call::Call {
                self.0.raw(http::Method::DELETE, path.as_ref())
            }
        }
    };
}
pub(crate) use handle;

/// A path of segments, each escaped, with the slash that MAAS wants at its end.
macro_rules! at {
    ($($part:expr),+ $(,)?) => {{
        let mut path = String::new();
        $(
            $crate::macros::push_segment(&mut path, &$part.to_string());
            path.push('/');
        )+
        path
    }};
}
pub(crate) use at;

/// The same without the last slash, for the few places where MAAS has none.
macro_rules! bare {
    ($($part:expr),+ $(,)?) => {
        $crate::macros::at![$($part),+].trim_end_matches('/')
    };
}
pub(crate) use bare;

/// Appends one segment of a path, percent-encoded where it must be.
pub(crate) fn push_segment(path: &mut String, segment: &str) {
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b':'
            | b'@'
            | b','
            | b'+' => path.push(char::from(byte)),
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    // A segment of dots would be folded away by URL parsers, and lead to another resource.
    if segment == "." || segment == ".." {
        *path = path.replace(segment, &segment.replace('.', "%2E"));
    }
}
