//! What `op=details` answers: the one answer of MAAS that is BSON.

use std::collections::BTreeMap;

use bytes::Bytes;

/// The hardware as a node's own tools describe it, gathered while it was commissioned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeDetails {
    /// The XML of `lshw -xml`; `None` before the first commissioning.
    pub lshw: Option<Bytes>,
    /// The XML of `lldpctl -f xml`: the switches' ports that it is plugged into.
    pub lldp: Option<Bytes>,
    /// What a newer MAAS adds, by name.
    pub more: BTreeMap<String, Bytes>,
}

impl NodeDetails {
    /// Reads the answer: a document of names and binaries (bsonspec.org, version 1.1). `None` when it is none.
    pub fn from_bson(document: &Bytes) -> Option<Self> {
        let length = usize::try_from(i32::from_le_bytes(*document.first_chunk()?)).ok()?;
        if length != document.len() {
            return None;
        }
        let mut details = Self::default();
        let mut at = 4;
        loop {
            let kind = *document.get(at)?;
            at += 1;
            if kind == 0 {
                return (at == length).then_some(details);
            }
            let name = document.get(at..)?.split(|b| *b == 0).next()?;
            let name_end = at.checked_add(name.len())?;
            let name = std::str::from_utf8(name).ok()?.to_owned();
            at = name_end.checked_add(1)?;
            // Its length, where it has one, stands before the value.
            let mut sized = |more: usize| -> Option<Bytes> {
                let start = at.checked_add(4)?;
                let size = document.get(at..start)?.first_chunk()?;
                let size = usize::try_from(i32::from_le_bytes(*size)).ok()?;
                let start = start.checked_add(more)?;
                let end = start.checked_add(size)?;
                document.get(start..end)?;
                at = end;
                Some(document.slice(start..end))
            };
            let value = match kind {
                // Binary, with a byte that says of what kind.
                0x05 => Some(sized(1)?),
                // A text, whose length counts the zero at its end.
                0x02 => {
                    let text = sized(0)?;
                    Some(text.slice(..text.len().checked_sub(1)?))
                }
                // Null.
                0x0A => None,
                _ => return None,
            };
            match (name.as_str(), value) {
                ("lshw", value) => details.lshw = value,
                ("lldp", value) => details.lldp = value,
                (_, Some(value)) => {
                    details.more.insert(name, value);
                }
                (_, None) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_documents_only() {
        let whole = Bytes::from_static(
            b"\x2c\x00\x00\x00\x05lldp\x00\x02\x00\x00\x00\x00<>\x0alshw\x00\x02new\x00\x03\x00\x00\x00ab\x00\x05x\x00\x00\x00\x00\x00\x00\x00",
        );
        let details = NodeDetails::from_bson(&whole).unwrap();
        assert_eq!(details.lldp.as_deref(), Some(&b"<>"[..]));
        assert_eq!(details.lshw, None);
        assert_eq!(&details.more["new"][..], b"ab");
        for end in 0..whole.len() {
            assert_eq!(NodeDetails::from_bson(&whole.slice(..end)), None);
        }
        for at in 0..whole.len() {
            let mut other = whole.to_vec();
            other[at] = 0xFF;
            let _ = NodeDetails::from_bson(&other.into());
        }
    }
}
