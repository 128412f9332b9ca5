//! FRU inventory (IPMI v2.0, chapter 34; Platform Management FRU Information Storage Definition v1.0).

use serde::{Deserialize, Serialize};

use super::{Command, DecodeError, NETFN_STORAGE, Reader};

/// Get FRU Inventory Area Info (34.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetFruInfo(
    /// The FRU device, 0 for the BMC's own.
    pub u8,
);

/// How large a FRU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FruInfo {
    /// In bytes.
    pub size: u16,
    /// It is read in words of two bytes: offsets and counts are halved.
    pub words: bool,
}

impl Command for GetFruInfo {
    is!("Get FRU Inventory Area Info", NETFN_STORAGE, 0x10);
    type Response = FruInfo;

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }

    fn decode(&self, data: &[u8]) -> Result<FruInfo, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        Ok(FruInfo {
            size: r.u16("size")?,
            words: r.u8("access")? & 1 != 0,
        })
    }
}

/// Read FRU Data (34.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadFru {
    /// The FRU device.
    pub device: u8,
    /// From where, in bytes or words.
    pub offset: u16,
    /// How many, in bytes or words.
    pub count: u8,
}

impl Command for ReadFru {
    is!("Read FRU Data", NETFN_STORAGE, 0x11);
    type Response = Vec<u8>;

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.device);
        out.extend(self.offset.to_le_bytes());
        out.push(self.count);
    }

    fn decode(&self, data: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut r = Reader::new(self.name(), data);
        r.u8("count returned")?;
        Ok(r.rest().to_vec())
    }
}

/// What a FRU says of a machine; areas that it does not have are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Fru {
    /// Chassis: part number, serial number, then what the maker added.
    pub chassis: Vec<String>,
    /// The chassis type (SMBIOS table 7.4.1), 0 where there is no chassis area.
    pub chassis_type: u8,
    /// Board: manufacturer, product name, serial number, part number, FRU file id, then what the maker added.
    pub board: Vec<String>,
    /// When the board was made, in minutes since 1996.
    pub board_made: u32,
    /// Product: manufacturer, name, part or model number, version, serial number, asset tag, FRU file id, then what the maker added.
    pub product: Vec<String>,
}

impl Fru {
    /// Reads the areas that the common header points to. An area that is broken is left empty: the others may be good.
    ///
    /// # Errors
    /// If the common header itself is broken.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("FRU common header", data);
        let header: [u8; 8] = r.array("header")?;
        if header[0] & 0x0f != 1 {
            return Err(r.error("format version", "is not 1"));
        }
        if header.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)) != 0 {
            return Err(r.error("checksum", "does not match"));
        }
        let area = |offset: u8| data.get(usize::from(offset) * 8..).filter(|_| offset != 0);
        let mut fru = Self::default();
        if let Some([_, _, kind, rest @ ..]) = area(header[2]) {
            fru.chassis_type = *kind;
            fru.chassis = fields(rest);
        }
        if let Some([_, _, _, a, b, c, rest @ ..]) = area(header[3]) {
            fru.board_made = u32::from_le_bytes([*a, *b, *c, 0]);
            fru.board = fields(rest);
        }
        if let Some([_, _, _, rest @ ..]) = area(header[4]) {
            fru.product = fields(rest);
        }
        Ok(fru)
    }

    /// The product's serial number, or the board's.
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        let product = self.product.get(4).filter(|s| !s.is_empty());
        product
            .or_else(|| self.board.get(2))
            .map(String::as_str)
            .filter(|s| !s.is_empty())
    }
}

fn fields(mut rest: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    // C1h ends the list; where it is missing, the data's end does.
    while let Some((head, tail)) = rest.split_first() {
        if *head == 0xc1 || out.len() >= 64 {
            break;
        }
        let Some((text, next)) = tail.split_at_checked(usize::from(head & 0x3f)) else {
            break;
        };
        out.push(text_of(head >> 6, text));
        rest = next;
    }
    out
}

/// Text by its type: 0 binary, 1 BCD plus, 2 six bits a character, 3 Latin 1.
pub(crate) fn text_of(kind: u8, bytes: &[u8]) -> String {
    match kind & 3 {
        0 => bytes.iter().map(|b| format!("{b:02x}")).collect(),
        1 => {
            let digits = b"0123456789 -.???";
            bytes
                .iter()
                .flat_map(|b| [b >> 4, b & 0x0f])
                .map(|n| char::from(digits[usize::from(n)]))
                .collect()
        }
        2 => {
            let mut out = String::new();
            for chunk in bytes.chunks(3) {
                let mut bits = 0u32;
                for (i, byte) in chunk.iter().enumerate() {
                    bits |= u32::from(*byte) << (8 * i);
                }
                for i in 0..(chunk.len() * 8 / 6) {
                    out.push(char::from((bits >> (6 * i) & 0x3f) as u8 + 0x20));
                }
            }
            out.trim_end().to_owned()
        }
        _ => bytes
            .iter()
            .map(|b| char::from(*b))
            .collect::<String>()
            .trim_end_matches('\0')
            .trim_end()
            .to_owned(),
    }
}
