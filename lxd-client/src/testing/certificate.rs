//! The fake's own certificate, and the door that takes any client's.

use std::sync::Arc;

use rustls::DistinguishedName;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};

use super::server::cannot;
use super::state::State;
use crate::Result;

pub(super) fn make_certificate(state: &mut State, name: &str) -> Result<()> {
    let failed = |e: rcgen::Error| cannot("its certificate", e);
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let names = vec![name.to_owned(), "127.0.0.1".into(), "::1".into()];
    let params = rcgen::CertificateParams::new(names).map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    state.certificate_pem = certificate.pem();
    state.key_pem = key.serialize_pem();
    Ok(())
}

pub(super) fn server_config(
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<rustls::ServerConfig> {
    let provider = crate::tls::provider();
    let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| cannot("TLS", e))?
        .with_client_cert_verifier(Arc::new(AnyClient(provider)))
        .with_single_cert(vec![der], key)
        .map_err(|e| cannot("TLS", e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Takes any client's certificate: whether it is trusted is said by the requests' answers.
#[derive(Debug)]
struct AnyClient(Arc<rustls::crypto::CryptoProvider>);

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
