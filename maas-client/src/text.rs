//! A text that lies in place when it is short.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// So long a text needs no memory of its own.
const IN_PLACE: usize = 22;

/// A text as MAAS sends a great many of: the same few words, serial numbers, paths. Up to 22 bytes lie in
/// the value itself, which is as large as a `String`; ten thousand machines hold half a million of them.
///
/// It is a `&str` wherever one is wanted, and becomes a `String` by `into()`.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    InPlace { length: u8, bytes: [u8; IN_PLACE] },
    Elsewhere(Box<str>),
}

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Whole characters were put in, so that it is never anything else.
            Repr::InPlace { length, bytes } => bytes
                .get(..usize::from(*length))
                .and_then(|b| std::str::from_utf8(b).ok())
                .unwrap_or_default(),
            Repr::Elsewhere(text) => text,
        }
    }

    fn in_place(text: &str) -> Option<Self> {
        let mut bytes = [0; IN_PLACE];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).ok()?;
        Some(Self(Repr::InPlace { length, bytes }))
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Repr::InPlace {
            length: 0,
            bytes: [0; IN_PLACE],
        })
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::in_place(text).unwrap_or_else(|| Self(Repr::Elsewhere(text.into())))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::in_place(&text).unwrap_or_else(|| Self(Repr::Elsewhere(text.into())))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        match text.0 {
            Repr::Elsewhere(text) => text.into(),
            Repr::InPlace { .. } => text.as_str().to_owned(),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With the width and the alignment that were asked for.
        self.as_str().fmt(f)
    }
}

impl Eq for Text {}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (
                Repr::InPlace { length, bytes },
                Repr::InPlace {
                    length: l,
                    bytes: b,
                },
            ) => length == l && bytes == b,
            (Repr::Elsewhere(text), Repr::Elsewhere(t)) => text == t,
            // Where a text lies is told by its length alone.
            _ => false,
        }
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As a `str` hashes, since it is borrowed as one.
        self.as_str().hash(state);
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(text.into())
            }

            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Text, E> {
                Ok(text.into())
            }
        }
        d.deserialize_str(Visitor)
    }
}

impl crate::macros::Lean for Text {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_text_that_was_put_in_wherever_it_lies() {
        for text in [
            "",
            "Ready",
            &"ä".repeat(11),
            &"ä".repeat(12),
            &"x".repeat(23),
            "\u{10FFFF}",
        ] {
            let one = Text::from(text);
            assert_eq!(one, text);
            assert_eq!(one, Text::from(text.to_owned()));
            assert_eq!(String::from(one.clone()), text);
            assert_eq!(format!("{one:>30}"), format!("{text:>30}"));
            let json = serde_json::to_string(&one).unwrap();
            assert_eq!(json, serde_json::to_string(text).unwrap());
            assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), one);
            assert_ne!(one, Text::from("another text"));
        }
        assert!(serde_json::from_str::<Text>("7").is_err());
        let [less, more] = ["a", "b"].map(Text::from);
        assert!(less < more);
    }

    #[test]
    fn it_is_no_larger_than_a_string() {
        assert_eq!(size_of::<Text>(), size_of::<String>());
        assert_eq!(size_of::<Option<Text>>(), size_of::<String>());
    }
}
