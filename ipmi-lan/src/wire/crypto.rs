//! The algorithms of the cipher suites (IPMI v2.0, section 13.28): HMAC, AES-CBC, and what is derived with them.

use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::NoPadding};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An authentication algorithm (table 13-17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Authentication {
    /// RAKP-none, 00h.
    None,
    /// RAKP-HMAC-SHA1, 01h.
    HmacSha1,
    /// RAKP-HMAC-MD5, 02h.
    HmacMd5,
    /// RAKP-HMAC-SHA256, 03h.
    HmacSha256,
}

/// An integrity algorithm (table 13-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Integrity {
    /// None, 00h.
    None,
    /// HMAC-SHA1-96, 01h.
    HmacSha1,
    /// HMAC-MD5-128, 02h.
    HmacMd5,
    /// MD5-128, 03h.
    Md5,
    /// HMAC-SHA256-128, 04h.
    HmacSha256,
}

/// A confidentiality algorithm (table 13-19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Confidentiality {
    /// None, 00h.
    None,
    /// AES-CBC-128, 01h.
    AesCbc128,
}

/// A cipher suite by its number (IPMI v2.0, table 22-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CipherSuite(u8);

impl CipherSuite {
    /// No authentication at all: refused unless explicitly offered.
    pub const S0: Self = Self(0);
    /// RAKP-HMAC-SHA1, no integrity, no encryption.
    pub const S1: Self = Self(1);
    /// RAKP-HMAC-SHA1, HMAC-SHA1-96, no encryption.
    pub const S2: Self = Self(2);
    /// RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128: what every BMC has.
    pub const S3: Self = Self(3);
    /// RAKP-HMAC-MD5, no integrity, no encryption.
    pub const S6: Self = Self(6);
    /// RAKP-HMAC-MD5, HMAC-MD5-128, AES-CBC-128.
    pub const S8: Self = Self(8);
    /// RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128: the best there is.
    pub const S17: Self = Self(17);

    /// The suite with this number, if its algorithms are known here: 0 to 3, 6 to 8, 11, 12, 15 to 17.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        matches!(number, 0..=3 | 6..=8 | 11 | 12 | 15..=17).then_some(Self(number))
    }

    /// The suite of three algorithms as they travel in Open Session.
    #[must_use]
    pub fn from_algorithms(authentication: u8, integrity: u8, confidentiality: u8) -> Option<Self> {
        (0..=17).filter_map(Self::new).find(|suite| {
            suite.codes()
                == (
                    authentication & 0x3f,
                    integrity & 0x3f,
                    confidentiality & 0x3f,
                )
        })
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Its authentication algorithm.
    #[must_use]
    pub fn authentication(self) -> Authentication {
        match self.0 {
            1..=3 => Authentication::HmacSha1,
            6..=8 | 11 | 12 => Authentication::HmacMd5,
            15..=17 => Authentication::HmacSha256,
            _ => Authentication::None,
        }
    }

    /// Its integrity algorithm.
    #[must_use]
    pub fn integrity(self) -> Integrity {
        match self.0 {
            2 | 3 => Integrity::HmacSha1,
            7 | 8 => Integrity::HmacMd5,
            11 | 12 => Integrity::Md5,
            16 | 17 => Integrity::HmacSha256,
            _ => Integrity::None,
        }
    }

    /// Its confidentiality algorithm.
    #[must_use]
    pub fn confidentiality(self) -> Confidentiality {
        match self.0 {
            3 | 8 | 12 | 17 => Confidentiality::AesCbc128,
            _ => Confidentiality::None,
        }
    }

    /// The three algorithm numbers, as they travel.
    #[must_use]
    pub fn codes(self) -> (u8, u8, u8) {
        (
            match self.authentication() {
                Authentication::None => 0,
                Authentication::HmacSha1 => 1,
                Authentication::HmacMd5 => 2,
                Authentication::HmacSha256 => 3,
            },
            match self.integrity() {
                Integrity::None => 0,
                Integrity::HmacSha1 => 1,
                Integrity::HmacMd5 => 2,
                Integrity::Md5 => 3,
                Integrity::HmacSha256 => 4,
            },
            match self.confidentiality() {
                Confidentiality::None => 0,
                Confidentiality::AesCbc128 => 1,
            },
        )
    }
}

impl std::fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

macro_rules! mac {
    ($hash:ty, $key:expr, $parts:expr) => {{
        // HMAC takes a key of any length, so this cannot fail.
        match <Hmac<$hash> as KeyInit>::new_from_slice($key) {
            Ok(mut mac) => {
                for part in $parts {
                    mac.update(part);
                }
                mac.finalize().into_bytes().to_vec()
            }
            Err(_) => Vec::new(),
        }
    }};
}

/// The keyed hash of an authentication algorithm over the parts; empty for RAKP-none.
#[must_use]
pub fn hash(algorithm: Authentication, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    match algorithm {
        Authentication::None => Vec::new(),
        Authentication::HmacSha1 => mac!(Sha1, key, parts),
        Authentication::HmacMd5 => mac!(Md5, key, parts),
        Authentication::HmacSha256 => mac!(Sha256, key, parts),
    }
}

/// How many bytes of the keyed hash RAKP 4 carries (section 13.28.4): the integrity check value's length.
#[must_use]
pub fn rakp4_len(algorithm: Authentication) -> usize {
    match algorithm {
        Authentication::None => 0,
        Authentication::HmacSha1 => 12,
        Authentication::HmacMd5 | Authentication::HmacSha256 => 16,
    }
}

/// Compares without telling by its duration where the first difference lies.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |acc, (x, y)| acc | (x ^ y)) == 0
}

/// The keys of an open session, wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionKeys {
    #[zeroize(skip)]
    suite: Option<CipherSuite>,
    sik: Vec<u8>,
    k1: Vec<u8>,
    k2: Vec<u8>,
    password: Vec<u8>,
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionKeys")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

impl SessionKeys {
    /// K1 and K2 from the session integrity key (section 13.32): the constants are 20 bytes for every algorithm, SHA256 too.
    #[must_use]
    pub fn derive(suite: CipherSuite, sik: Vec<u8>, password: &[u8]) -> Self {
        let k1 = hash(suite.authentication(), &sik, &[&[1u8; 20]]);
        let k2 = hash(suite.authentication(), &sik, &[&[2u8; 20]]);
        let mut padded = password.to_vec();
        padded.resize(16.max(padded.len()), 0);
        Self {
            suite: Some(suite),
            sik,
            k1,
            k2,
            password: padded,
        }
    }

    /// The suite.
    #[must_use]
    pub fn suite(&self) -> CipherSuite {
        self.suite.unwrap_or(CipherSuite::S0)
    }

    /// The session integrity key.
    #[must_use]
    pub fn sik(&self) -> &[u8] {
        &self.sik
    }

    /// How long an authentication code is.
    #[must_use]
    pub fn code_len(&self) -> usize {
        match self.suite().integrity() {
            Integrity::None => 0,
            Integrity::HmacSha1 => 12,
            Integrity::HmacMd5 | Integrity::Md5 | Integrity::HmacSha256 => 16,
        }
    }

    /// The authentication code over `bytes`, cut to its length.
    #[must_use]
    pub fn code(&self, bytes: &[u8]) -> Vec<u8> {
        let mut code = match self.suite().integrity() {
            Integrity::None => Vec::new(),
            Integrity::HmacSha1 => mac!(Sha1, &self.k1, [bytes]),
            Integrity::HmacMd5 => mac!(Md5, &self.k1, [bytes]),
            Integrity::HmacSha256 => mac!(Sha256, &self.k1, [bytes]),
            Integrity::Md5 => {
                let mut md5 = Md5::new();
                md5.update(&self.password);
                md5.update(bytes);
                md5.update(&self.password);
                md5.finalize().to_vec()
            }
        };
        code.truncate(self.code_len());
        code
    }

    /// Does `code` authenticate `bytes`?
    #[must_use]
    pub fn verify(&self, bytes: &[u8], code: &[u8]) -> bool {
        same(&self.code(bytes), code)
    }

    fn aes_key(&self) -> [u8; 16] {
        let mut key = [0u8; 16];
        for (to, from) in key.iter_mut().zip(&self.k2) {
            *to = *from;
        }
        key
    }

    /// Encrypts a payload with this initialisation vector (section 13.29); as it is, for a suite without encryption.
    #[must_use]
    pub fn encrypt(&self, payload: &[u8], iv: [u8; 16]) -> Vec<u8> {
        if self.suite().confidentiality() == Confidentiality::None {
            return payload.to_vec();
        }
        // Pad bytes count 1, 2, 3 ..., then comes their number; all of it a multiple of the block.
        let pad = (16 - (payload.len() + 1) % 16) % 16;
        let mut out = Vec::with_capacity(16 + payload.len() + pad + 1);
        out.extend(iv);
        out.extend_from_slice(payload);
        out.extend((1..=pad).map(|n| n as u8));
        out.push(pad as u8);
        let len = out.len() - 16;
        let mut key = self.aes_key();
        let encryptor = cbc::Encryptor::<aes::Aes128>::new(&key.into(), &iv.into());
        key.zeroize();
        if encryptor
            .encrypt_padded::<NoPadding>(&mut out[16..], len)
            .is_err()
        {
            out.clear();
        }
        out
    }

    /// Decrypts a payload; `None` where its length or its padding cannot be.
    #[must_use]
    pub fn decrypt(&self, payload: &[u8]) -> Option<Vec<u8>> {
        if self.suite().confidentiality() == Confidentiality::None {
            return Some(payload.to_vec());
        }
        let (iv, body) = payload.split_first_chunk::<16>()?;
        if body.is_empty() || body.len() % 16 != 0 {
            return None;
        }
        let mut out = body.to_vec();
        let mut key = self.aes_key();
        let decryptor = cbc::Decryptor::<aes::Aes128>::new(&key.into(), iv.into());
        key.zeroize();
        decryptor.decrypt_padded::<NoPadding>(&mut out).ok()?;
        // The pad bytes are not checked beyond their number: some BMCs fill them with anything.
        let pad = usize::from(out.pop()?);
        if pad > 15 {
            return None;
        }
        out.truncate(out.len().checked_sub(pad)?);
        Some(out)
    }
}
