//! A reader for large answers: JSON straight from the frame into a type, some two times as fast as `serde_json`, which stays the judge.
//!
//! It takes what Juju writes (one line, valid UTF-8) and gives up on all else without saying why: whatever it refuses is decoded again
//! by `serde_json`, which then takes it or says what is wrong with it.

use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// Not for this reader.
#[derive(Debug)]
pub(crate) struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("declined")
    }
}

impl std::error::Error for Declined {}

impl de::Error for Declined {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Result<T> = std::result::Result<T, Declined>;

/// Reads a whole document.
pub(crate) fn read<'de, T: Deserialize<'de>>(frame: &'de [u8]) -> Result<T> {
    // Nothing below a space is in a line. Looked for once: strings then need to be searched for their end only.
    if frame.iter().fold(false, |any, b| any | (*b < b' ')) {
        return Err(Declined);
    }
    let text = std::str::from_utf8(frame).map_err(|_| Declined)?;
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
    };
    let value = T::deserialize(&mut reader)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(Declined),
    }
}

struct Reader<'de> {
    text: &'de str,
    at: usize,
    depth: u8,
}

/// As deep as `serde_json` goes.
const DEEPEST: u8 = 127;

impl<'de> Reader<'de> {
    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ') => self.at += 1,
                other => return other,
            }
        }
    }

    #[inline]
    fn expect(&mut self, wanted: u8) -> Result<()> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            Ok(())
        } else {
            Err(Declined)
        }
    }

    fn word(&mut self, word: &str) -> Result<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(Declined)
        }
    }

    /// From behind a string's quotation mark to its end or to a backslash, whichever comes first.
    #[inline]
    fn find_end(&self) -> Result<usize> {
        const LOW: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        // Eight bytes at a time: a byte that is zero after the exclusive or is what is looked for.
        while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*eight);
            let (quote, slash) = (word ^ (LOW * b'"' as u64), word ^ (LOW * b'\\' as u64));
            let found =
                (quote.wrapping_sub(LOW) & !quote | slash.wrapping_sub(LOW) & !slash) & HIGH;
            if found != 0 {
                return Ok(at + (found.trailing_zeros() / 8) as usize);
            }
            at += 8;
        }
        while let Some(b) = bytes.get(at) {
            if matches!(b, b'"' | b'\\') {
                return Ok(at);
            }
            at += 1;
        }
        Err(Declined)
    }

    /// A string. One with a backslash in it is left to `serde_json`, and is not borrowed.
    #[inline]
    fn string(&mut self) -> Result<Text<'de>> {
        self.expect(b'"')?;
        let start = self.at;
        let end = self.find_end()?;
        if self.text.as_bytes()[end] == b'"' {
            self.at = end + 1;
            return self
                .text
                .get(start..end)
                .map(Text::Borrowed)
                .ok_or(Declined);
        }
        self.escaped(start, end).map(Text::Owned)
    }

    /// Passes over a string.
    #[inline]
    fn skip_string(&mut self) -> Result<()> {
        self.expect(b'"')?;
        let start = self.at;
        let end = self.find_end()?;
        if self.text.as_bytes()[end] == b'"' {
            self.at = end + 1;
            return Ok(());
        }
        self.escaped(start, end).map(drop)
    }

    /// The string that begins at `start`, with its first backslash at `slash`.
    #[cold]
    fn escaped(&mut self, start: usize, slash: usize) -> Result<String> {
        self.at = slash;
        while self.text.as_bytes()[self.at] != b'"' {
            self.at += 2;
            self.at = self.find_end()?;
        }
        self.at += 1;
        serde_json::from_str(&self.text[start - 1..self.at]).map_err(|_| Declined)
    }

    /// The text of a number, or of what looks like one.
    fn number(&mut self) -> &'de str {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.byte() {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Declined);
        }
        self.at += 1;
        Ok(())
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.deeper()?;
        let value = visitor.visit_map(Members {
            reader: self,
            first: true,
        })?;
        self.depth -= 1;
        self.expect(b'}')?;
        Ok(value)
    }

    fn list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.deeper()?;
        let value = visitor.visit_seq(Members {
            reader: self,
            first: true,
        })?;
        self.depth -= 1;
        self.expect(b']')?;
        Ok(value)
    }

    /// Passes over a value.
    fn skip(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'{') => {
                self.deeper()?;
                let mut first = true;
                while self.more(&mut first, b'}')? {
                    self.skip_string()?;
                    self.expect(b':')?;
                    self.skip()?;
                }
                self.depth -= 1;
                self.expect(b'}')
            }
            Some(b'[') => {
                self.deeper()?;
                let mut first = true;
                while self.more(&mut first, b']')? {
                    self.skip()?;
                }
                self.depth -= 1;
                self.expect(b']')
            }
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(_) => match serde_json::from_str::<serde_json::Number>(self.number()) {
                Ok(_) => Ok(()),
                Err(_) => Err(Declined),
            },
            None => Err(Declined),
        }
    }

    /// Whether a list or an object goes on; its end is left where it is.
    #[inline]
    fn more(&mut self, first: &mut bool, end: u8) -> Result<bool> {
        match self.peek() {
            Some(b) if b == end => Ok(false),
            _ if std::mem::take(first) => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(Declined),
        }
    }
}

enum Text<'de> {
    Borrowed(&'de str),
    Owned(String),
}

impl<'de> Text<'de> {
    #[inline]
    fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self {
            Self::Borrowed(s) => visitor.visit_borrowed_str(s),
            Self::Owned(s) => visitor.visit_string(s),
        }
    }
}

/// What follows in a list or an object.
struct Members<'a, 'de> {
    reader: &'a mut Reader<'de>,
    first: bool,
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Declined;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if !self.reader.more(&mut self.first, b'}')? {
            return Ok(None);
        }
        match self.reader.string()? {
            Text::Borrowed(s) => seed.deserialize(BorrowedStrDeserializer::new(s)),
            Text::Owned(s) => seed.deserialize(de::value::StringDeserializer::new(s)),
        }
        .map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        self.reader.expect(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

impl<'de> SeqAccess<'de> for Members<'_, 'de> {
    type Error = Declined;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if !self.reader.more(&mut self.first, b']')? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// Types that know what they want get only that; another thing is left to `serde_json`.
macro_rules! strings {
    ($($name:ident)*) => {$(
        #[inline]
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.string()?.visit(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = Declined;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'"') => self.string()?.visit(visitor),
            Some(b'{') => self.map(visitor),
            Some(b'[') => self.list(visitor),
            Some(b't') => {
                self.word("true")?;
                visitor.visit_bool(true)
            }
            Some(b'f') => {
                self.word("false")?;
                visitor.visit_bool(false)
            }
            Some(b'n') => {
                self.word("null")?;
                visitor.visit_unit()
            }
            Some(_) => {
                let n: serde_json::Number =
                    serde_json::from_str(self.number()).map_err(|_| Declined)?;
                match (n.as_u64(), n.as_i64(), n.as_f64()) {
                    (Some(n), _, _) => visitor.visit_u64(n),
                    (_, Some(n), _) => visitor.visit_i64(n),
                    (_, _, Some(n)) => visitor.visit_f64(n),
                    _ => Err(Declined),
                }
            }
            None => Err(Declined),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() == Some(b'n') {
            self.word("null")?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'{') => self.map(visitor),
            _ => Err(Declined),
        }
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'[') => self.list(visitor),
            _ => Err(Declined),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.string()? {
            Text::Borrowed(s) => visitor.visit_enum(BorrowedStrDeserializer::new(s)),
            Text::Owned(_) => Err(Declined),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        // `serde_json`'s own types talk to its own reader.
        if name.starts_with('$') {
            return Err(Declined);
        }
        visitor.visit_newtype_struct(self)
    }

    strings! { deserialize_str deserialize_string deserialize_identifier }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::read;

    /// What it takes, it takes as `serde_json` does; what `serde_json` refuses, it declines.
    fn held(text: &str) {
        let theirs = serde_json::from_str::<Value>(text).ok();
        match (read::<Value>(text.as_bytes()).ok(), theirs) {
            (Some(a), b) => assert_eq!(Some(a), b, "{text}"),
            (None, Some(_)) => assert!(
                text.bytes().any(|b| b < b' '),
                "declined without a reason: {text}"
            ),
            (None, None) => {}
        }
        let skipped = read::<serde::de::IgnoredAny>(text.as_bytes()).is_ok();
        if skipped {
            assert!(
                serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
                "passed over: {text}"
            );
        }
    }

    #[test]
    fn it_reads_what_serde_json_reads() {
        for text in [
            r#"{"a":1,"b":[true,false,null,-2,1.5e3,18446744073709551615,99999999999999999999],"c":{"d":"x"}}"#,
            r#" { "a" : [ 1 , 2 ] , "b" : { } , "c" : [ ] } "#,
            r#""a\"b\\c\u00e4\n""#,
            r#"{"\u0061":"\ud83d\ude00","ä":"ö, ein Wort länger als acht"}"#,
            r#"["12345678","1234567","123456789\"","\\"]"#,
            "[1,]",
            "{,}",
            r#"{"a" 1}"#,
            r#"{"a":1,}"#,
            "[1 2]",
            "01",
            "1.",
            "-",
            "+1",
            "nul",
            "nullx",
            r#""open"#,
            r#""open\"#,
            r#""\x""#,
            r#""\ud800""#,
            "{\"a\":\"line\nfeed\"}",
            "[\n1]",
            "",
            " ",
            "[",
            "{",
            "[}",
            "1 1",
            "1e999",
        ] {
            held(text);
        }
        held(&format!("{}{}", "[".repeat(127), "]".repeat(127)));
        held(&format!("{}{}", "[".repeat(128), "]".repeat(128)));
        held(&"[".repeat(100_000));
        assert!(read::<Value>(b"\"\xff\"").is_err());
    }

    #[test]
    fn a_document_with_a_byte_changed_is_judged_the_same() {
        let text = r#"{"request-id":7,"response":{"x":[1,-2.5,"a\tb","ä"],"y":{"z":null,"w":true},"v":""}}"#;
        for i in 0..text.len() {
            for b in [
                b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'0', b' ', b'n',
            ] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[i] = b;
                if let Ok(changed) = String::from_utf8(bytes) {
                    held(&changed);
                }
            }
        }
    }
}
