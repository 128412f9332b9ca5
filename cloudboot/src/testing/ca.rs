//! A certificate authority and the certificates that it issues: in the lab, Vault's root CA and what the charms make of it.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

/// A certificate authority: its certificate and key, as PEM.
#[derive(Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RootCa {
    /// The common name of its subject.
    pub name: String,
    /// The certificate.
    pub cert_pem: String,
    /// The key. It belongs to the lab; nothing real depends on it.
    pub key_pem: String,
}

impl fmt::Debug for RootCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootCa")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A server's certificate and its key, as PEM.
#[derive(Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Leaf {
    /// The certificate.
    pub cert_pem: String,
    /// The key.
    pub key_pem: String,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaf")
    }
}

fn other(e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(e)
}

impl RootCa {
    /// A new authority called `name` (the charm's is `Vault Root Certificate Authority (charm-pki-local)`).
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn generate(name: &str) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(other)?;
        let cert = Self::params(name).self_signed(&key).map_err(other)?;
        Ok(Self {
            name: name.to_owned(),
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    /// A server certificate for these addresses (and `localhost`).
    ///
    /// # Errors
    /// When the authority's key is not one, or the certificate cannot be made.
    pub fn issue(&self, addresses: &[IpAddr]) -> io::Result<Leaf> {
        let issuer = Issuer::new(
            Self::params(&self.name),
            KeyPair::from_pem(&self.key_pem).map_err(other)?,
        );
        let names: Vec<String> = addresses
            .iter()
            .map(ToString::to_string)
            .chain(["localhost".to_owned()])
            .collect();
        let mut params = CertificateParams::new(names).map_err(other)?;
        let name = addresses
            .first()
            .map_or_else(|| "localhost".to_owned(), ToString::to_string);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(other)?;
        let cert = params.signed_by(&key, &issuer).map_err(other)?;
        Ok(Leaf {
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

impl Leaf {
    pub(crate) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let cert = CertificateDer::from_pem_slice(self.cert_pem.as_bytes()).map_err(other)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(other)?;
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .map_err(other)?
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .map_err(other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
