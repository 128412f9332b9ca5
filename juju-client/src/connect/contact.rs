//! The first contact with a controller that made its own CA: nobody has told us the certificate, but it proves that
//! whoever made it holds the one-time key that we gave the machine.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::Sha256;
use url::Url;

use super::dial::connect_tcp;
use crate::error::{Error, ErrorKind, Result};

/// The domain of the DNS name in the server's certificate that carries the proof; reserved by RFC 2606.
pub const PROOF_DOMAIN: &str = "ca-proof.invalid";

/// The DNS name that proves a CA: the first 32 hexadecimal digits of HMAC-SHA256(key, CA in DER), in [`PROOF_DOMAIN`].
pub fn proof_name(key: &[u8], ca_der: &[u8]) -> String {
    // HMAC takes keys of any length; there is nothing that could be refused.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return PROOF_DOMAIN.to_owned();
    };
    mac.update(ca_der);
    let mut name = String::with_capacity(64);
    for byte in &mac.finalize().into_bytes()[..16] {
        let _ = write!(name, "{byte:02x}");
    }
    name + "." + PROOF_DOMAIN
}

/// The CA of the controller at `address` (`host:port`), in PEM, if its certificate proves that its maker holds `key`.
///
/// The CA is taken from the chain that the server shows; the server's own certificate must be signed by it for
/// `juju-apiserver`, and also for [`proof_name`] of it. Nothing is sent after the handshake.
///
/// # Errors
/// Of kind [`ErrorKind::Connect`] while nothing answers there or TLS breaks; of kind [`ErrorKind::Forbidden`] when
/// somebody answers who cannot prove it.
pub async fn first_contact(
    address: &str,
    key: &[u8],
    proxy: Option<&Url>,
    timeout: Duration,
) -> Result<String> {
    let operation = format!("take the CA of the Juju controller at {address}");
    let refused = |kind: ErrorKind, message: String| Error::new(kind, operation.clone(), message);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Proof {
        key: key.to_vec(),
        provider: Arc::clone(&provider),
        seen: Mutex::default(),
    });
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::invalid(operation.clone(), error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from("juju-apiserver")
        .map_err(|error| Error::invalid(operation.clone(), error.to_string()))?;
    let shake = async {
        let tcp = connect_tcp(address, proxy).await?;
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
            .map_err(|error| error.to_string())
    };
    let outcome = match tokio::time::timeout(timeout, shake).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {timeout:?}")),
    };
    let seen = verifier
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    match (outcome, seen) {
        (Ok(_), Some(Ok(ca))) => Ok(pem(&ca)),
        (_, Some(Err(why))) => Err(refused(ErrorKind::Forbidden, why).hint(
            "somebody else may stand at that address, or between it and us: look at the machine's console before anything is sent there",
        )),
        (Err(error), _) => Err(refused(ErrorKind::Connect, error)),
        (Ok(_), None) => Err(refused(
            ErrorKind::Connect,
            "it showed no certificate".to_owned(),
        )),
    }
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// Accepts a server whose CA its own certificate proves.
struct Proof {
    key: Vec<u8>,
    provider: Arc<CryptoProvider>,
    /// The CA, or why not.
    seen: Mutex<Option<std::result::Result<Vec<u8>, String>>>,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

impl Proof {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> std::result::Result<Vec<u8>, String> {
        let ca = chain
            .last()
            .ok_or("it shows its own certificate only, without the CA's")?;
        let mut roots = RootCertStore::empty();
        roots
            .add(ca.clone().into_owned())
            .map_err(|error| format!("the last certificate of its chain is no CA: {error}"))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|error| error.to_string())?;
        for name in ["juju-apiserver".to_owned(), proof_name(&self.key, ca)] {
            let wanted = ServerName::try_from(name).map_err(|error| error.to_string())?;
            verifier
                .verify_server_cert(leaf, &[], &wanted, &[], now)
                .map_err(|error| match error {
                    rustls::Error::InvalidCertificate(
                        CertificateError::NotValidForName
                        | CertificateError::NotValidForNameContext { .. },
                    ) => "its certificate does not prove that it is the machine that we gave the one-time key"
                        .to_owned(),
                    other => format!("its certificate does not hold: {other}"),
                })?;
        }
        Ok(ca.to_vec())
    }
}

impl ServerCertVerifier for Proof {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let judged = self.judge(end_entity, intermediates, now);
        let verdict = match &judged {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(why) => Err(rustls::Error::General(why.clone())),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
