//! How parameters become form fields: what is not set is not sent.

use secrecy::{ExposeSecret, SecretString};

/// Something that can be sent as the value of a form field or query parameter.
pub trait FormValue {
    /// Appends `name=value`, once for each value of a list.
    fn write(&self, name: &str, out: &mut Vec<(String, String)>);

    /// Reads it back from pairs that carry it; `None` when none does, or what they carry is no such value.
    fn read(_name: &str, _pairs: &[(String, String)]) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Whether a pair of this key carries it.
    fn claims(name: &str, key: &str) -> bool
    where
        Self: Sized,
    {
        name == key
    }
}

/// The first value of a name.
pub(crate) fn first<'a>(name: &str, pairs: &'a [(String, String)]) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, v)| v.as_str())
}

/// A set of parameters, as the `*Params` structs of this crate are.
pub trait Params {
    /// Appends every parameter that is set.
    fn write_all(&self, out: &mut Vec<(String, String)>);
}

/// No parameters, and any list of pairs.
impl Params for () {
    fn write_all(&self, _: &mut Vec<(String, String)>) {}
}

impl Params for [(String, String)] {
    fn write_all(&self, out: &mut Vec<(String, String)>) {
        out.extend_from_slice(self);
    }
}

impl Params for Vec<(String, String)> {
    fn write_all(&self, out: &mut Vec<(String, String)>) {
        out.extend_from_slice(self);
    }
}

macro_rules! display_values {
    ($($t:ty),*) => {$(
        impl FormValue for $t {
            fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
                out.push((name.to_owned(), self.to_string()));
            }

            fn read(name: &str, pairs: &[(String, String)]) -> Option<Self> {
                first(name, pairs)?.parse().ok()
            }
        }
    )*};
}

display_values!(
    String,
    i32,
    u16,
    u32,
    i64,
    u64,
    usize,
    f64,
    std::net::IpAddr,
    std::net::Ipv4Addr,
    ipnet::IpNet
);

impl FormValue for str {
    fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
        out.push((name.to_owned(), self.to_owned()));
    }
}

impl FormValue for bool {
    /// Writes `true` or `false`, the only spellings that MAAS reads the same everywhere.
    fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
        out.push((name.to_owned(), self.to_string()));
    }

    fn read(name: &str, pairs: &[(String, String)]) -> Option<Self> {
        match first(name, pairs)?.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }
}

impl<T: FormValue + ?Sized> FormValue for &T {
    fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
        (**self).write(name, out);
    }
}

impl<T: FormValue> FormValue for Option<T> {
    fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
        if let Some(value) = self {
            value.write(name, out);
        }
    }
}

impl<T: FormValue> FormValue for [T] {
    fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
        for value in self {
            value.write(name, out);
        }
    }
}

impl<T: FormValue> FormValue for Vec<T> {
    fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
        self.as_slice().write(name, out);
    }

    fn read(name: &str, pairs: &[(String, String)]) -> Option<Self> {
        pairs
            .iter()
            .filter(|(n, _)| n == name)
            .map(|pair| T::read(name, std::slice::from_ref(pair)))
            .collect()
    }
}

impl FormValue for SecretString {
    fn write(&self, name: &str, out: &mut Vec<(String, String)>) {
        out.push((name.to_owned(), self.expose_secret().to_owned()));
    }

    fn read(name: &str, pairs: &[(String, String)]) -> Option<Self> {
        Some(first(name, pairs)?.to_owned().into())
    }
}

/// Power parameters of a machine (`power_address`, `power_user`, `power_pass`, ...), sent as
/// `power_parameters_<name>`. Their values are not shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PowerParameters(Vec<(String, String)>);

impl PowerParameters {
    /// No parameters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.0.retain(|(n, _)| *n != name);
        self.0.push((name, value.into()));
        self
    }
}

impl FormValue for PowerParameters {
    fn write(&self, _: &str, out: &mut Vec<(String, String)>) {
        out.extend(
            self.0
                .iter()
                .map(|(name, value)| (format!("power_parameters_{name}"), value.clone())),
        );
    }

    fn read(_: &str, pairs: &[(String, String)]) -> Option<Self> {
        Some(Self(
            pairs
                .iter()
                .filter(|(n, _)| Self::claims("", n))
                .filter_map(|(n, v)| {
                    Some((n.strip_prefix("power_parameters_")?.to_owned(), v.clone()))
                })
                .collect(),
        ))
    }

    fn claims(_: &str, key: &str) -> bool {
        key.starts_with("power_parameters_") && key != "power_parameters_skip_check"
    }
}

impl std::fmt::Debug for PowerParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(n, _)| n))
            .finish()
    }
}

/// Free-form pairs, sent under their own names (owner data, annotations, configuration of a driver).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// No pairs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }
}

impl Params for Pairs {
    fn write_all(&self, out: &mut Vec<(String, String)>) {
        out.extend_from_slice(&self.0);
    }
}

/// Declares a parameter struct: every field optional, a setter for each, and `extra` for what a newer MAAS takes.
macro_rules! params {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident $(as $wire:literal)? : $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        ///
        /// What is not set is not sent; [`extra`](Self::extra) adds what this crate does not name.
        #[derive(Clone, Debug, Default)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$fmeta])* pub $field: Option<$ty>,)*
            /// Further fields, sent as they are.
            pub extra: Vec<(String, String)>,
        }

        impl $name {
            /// Nothing set.
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[$fmeta])*
                #[must_use]
                pub fn $field(mut self, value: impl Into<$ty>) -> Self {
                    self.$field = Some(value.into());
                    self
                }
            )*

            /// Reads parameters from pairs of API names and values, such as a command line's; what is not
            /// known, or cannot be read as what it should be, goes into `extra` as it is.
            pub fn from_pairs(pairs: &[(String, String)]) -> Self {
                let mut params = Self::default();
                let mut taken = vec![false; pairs.len()];
                $({
                    let name = params!(@wire $field $($wire)?);
                    let claims = |key: &str| <$ty as $crate::params::FormValue>::claims(name, key);
                    if pairs.iter().any(|(key, _)| claims(key)) {
                        params.$field = <$ty as $crate::params::FormValue>::read(name, pairs);
                        if params.$field.is_some() {
                            for (n, (key, _)) in pairs.iter().enumerate() {
                                taken[n] |= claims(key);
                            }
                        }
                    }
                })*
                params.extra = pairs.iter().zip(taken).filter(|(_, t)| !t).map(|(p, _)| p.clone()).collect();
                params
            }

            /// Adds a field that this crate does not name.
            #[must_use]
            pub fn extra(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.extra.push((name.into(), value.into()));
                self
            }
        }

        impl $crate::params::Params for $name {
            fn write_all(&self, out: &mut Vec<(String, String)>) {
                $($crate::params::FormValue::write(&self.$field, params!(@wire $field $($wire)?), out);)*
                out.extend_from_slice(&self.extra);
            }
        }
    };
    (@wire $field:ident $wire:literal) => { $wire };
    (@wire $field:ident) => { stringify!($field) };
}
pub(crate) use params;
