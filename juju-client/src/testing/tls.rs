//! The controller's CA and its server certificate, as a bootstrap makes them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Identity;
use crate::error::{Error, ErrorKind, Result};

fn failed(e: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Invalid,
        "make the fake controller's certificates",
        e.to_string(),
    )
}

pub(super) fn generate(proof: Option<&[u8]>) -> Result<Identity> {
    let ca_key = KeyPair::generate().map_err(failed)?;
    let mut ca = CertificateParams::new(Vec::new()).map_err(failed)?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    ca.distinguished_name.push(DnType::CommonName, "juju-ca");
    let ca_cert = ca.self_signed(&ca_key).map_err(failed)?;
    let key = KeyPair::generate().map_err(failed)?;
    let mut names = ["localhost", "juju-apiserver", "anything"]
        .map(str::to_owned)
        .to_vec();
    names.extend(proof.map(|key| crate::connect::proof_name(key, ca_cert.der())));
    let mut leaf = CertificateParams::new(names).map_err(failed)?;
    leaf.distinguished_name
        .push(DnType::CommonName, "juju-server");
    leaf.use_authority_key_identifier_extension = true;
    let ca_key_pem = ca_key.serialize_pem();
    let issuer = Issuer::new(ca, ca_key);
    let cert = leaf.signed_by(&key, &issuer).map_err(failed)?;
    Ok(Identity {
        controller_uuid: uuid::Uuid::new_v4().to_string(),
        model_uuid: uuid::Uuid::new_v4().to_string(),
        ca_cert: ca_cert.pem(),
        ca_key: ca_key_pem,
        cert: cert.pem(),
        key: key.serialize_pem(),
        password: format!(
            "{:016x}{:016x}",
            rand::random::<u64>(),
            rand::random::<u64>()
        ),
    })
}

pub(super) fn server(identity: &Identity) -> Result<rustls::ServerConfig> {
    let chain = [&identity.cert, &identity.ca_cert]
        .into_iter()
        .map(|p| CertificateDer::from_pem_slice(p.as_bytes()).map_err(failed))
        .collect::<Result<Vec<_>>>()?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(failed)?;
    rustls::ServerConfig::builder_with_provider(std::sync::Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(failed)?
    .with_no_client_auth()
    .with_single_cert(chain, key)
    .map_err(failed)
}
