//! Certificates: ours (given or made), and the server's, pinned by fingerprint.
//!
//! LXD's default certificate names only its hostname and loopback, so names prove nothing here;
//! the SHA-256 fingerprint of the whole certificate does.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The SHA-256 of a certificate's DER form, as `lxc info` and `lxc config trust list` show it:
/// 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a certificate in DER form.
    pub fn of_der(der: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(der)))
    }

    /// The 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    /// Reads 64 hexadecimal digits, with or without colons, in either case.
    fn from_str(text: &str) -> Result<Self> {
        let plain: String = text
            .trim()
            .chars()
            .filter(|c| *c != ':')
            .collect::<String>()
            .to_ascii_lowercase();
        if plain.len() == 64 && plain.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(plain))
        } else {
            Err(Error::invalid(
                "reading a fingerprint",
                "expected the 64 hexadecimal digits of a SHA-256",
            ))
        }
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(f: Fingerprint) -> Self {
        f.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.0)
    }
}

/// A client certificate with its private key, by which a server on HTTPS knows us.
#[derive(Clone)]
pub struct Identity {
    certificate_pem: String,
    key_pem: SecretString,
    der: CertificateDer<'static>,
}

impl Identity {
    /// Makes a new self-signed ECDSA P-256 certificate, as `lxc` makes its own.
    ///
    /// # Errors
    /// If the name cannot stand in a certificate or no randomness is to be had.
    pub fn generate(common_name: &str) -> Result<Self> {
        let failed = |e: rcgen::Error| Error::invalid("making a client certificate", e.to_string());
        let key = rcgen::KeyPair::generate().map_err(failed)?;
        let mut params = rcgen::CertificateParams::new(Vec::new()).map_err(failed)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, common_name);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.self_signed(&key).map_err(failed)?;
        Self::from_pem(&certificate.pem(), key.serialize_pem().into())
    }

    /// Takes a given certificate and key (PKCS#8, PKCS#1 or SEC1; RSA or ECDSA) in PEM form.
    ///
    /// # Errors
    /// If either cannot be read.
    pub fn from_pem(certificate: &str, key: SecretString) -> Result<Self> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|e| {
            Error::invalid(
                "reading the client certificate",
                format!("not a PEM certificate: {e}"),
            )
        })?;
        PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(|e| {
            Error::invalid(
                "reading the client key",
                format!("not a PEM private key: {e}"),
            )
        })?;
        Ok(Self {
            certificate_pem: certificate.to_owned(),
            key_pem: key,
            der,
        })
    }

    /// The certificate in PEM form: public.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key in PEM form: keep it as a secret.
    pub fn key_pem(&self) -> &SecretString {
        &self.key_pem
    }

    /// The certificate as LXD's API takes it: base64 of the DER, without the PEM's header lines.
    pub fn certificate_base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// The certificate's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_der(&self.der)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(self.key_pem.expose_secret().as_bytes())
            .map_err(|_| Error::invalid("reading the client key", "not a PEM private key"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// The base64 that LXD wants, from a PEM certificate.
///
/// # Errors
/// If it is no PEM certificate.
pub fn certificate_base64(pem: &str) -> Result<String> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map(|der| STANDARD.encode(der))
        .map_err(|e| Error::invalid("reading a certificate", format!("not PEM: {e}")))
}

/// A certificate's PEM form.
pub(crate) fn certificate_pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A rustls configuration that talks only to the server with this fingerprint. It offers no
/// ALPN, so HTTP/1.1 is spoken: LXD would choose h2, over which its websockets do not work.
pub(crate) fn client_config(
    pinned: &Fingerprint,
    identity: Option<&Identity>,
) -> Result<rustls::ClientConfig> {
    let provider = provider();
    let failed = |e: rustls::Error| Error::invalid("preparing TLS", e.to_string());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned {
            expected: Some(pinned.clone()),
            provider,
        }));
    match identity {
        Some(identity) => builder
            .with_client_auth_cert(vec![identity.der.clone()], identity.key()?)
            .map_err(failed),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// A configuration for looking at a server's certificate, over which nothing is ever sent.
pub(crate) fn looking_config() -> Result<rustls::ClientConfig> {
    let provider = provider();
    Ok(
        rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::invalid("preparing TLS", e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned {
                expected: None,
                provider,
            }))
            .with_no_client_auth(),
    )
}

/// Accepts the one certificate with the expected fingerprint, whatever names it bears, and
/// still requires that the server holds its key.
#[derive(Debug)]
struct Pinned {
    expected: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

/// The words by which a pin mismatch is found again inside the layers above TLS.
pub(crate) const PIN_MISMATCH: &str = "the server's certificate has fingerprint";

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let seen = Fingerprint::of_der(end_entity);
        match &self.expected {
            Some(expected) if *expected != seen => Err(rustls::Error::General(format!(
                "{PIN_MISMATCH} {seen}, expected {expected}"
            ))),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
