//! One file from a public server or a mirror.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use url::Url;

use super::{Error, ErrorKind, Reach, Result, shown};

/// The largest file that is taken: the boot loader's archive is 7 MB.
const LIMIT: usize = 64 * 1024 * 1024;

/// Fetches a file. An https server is verified with the public roots, and with `reach`'s CA where there is one.
///
/// # Errors
/// It can't be reached, answers something else than 200, or sends more than 64 MiB.
pub(crate) async fn download(url: &Url, reach: &Reach) -> Result<Bytes> {
    let operation = || format!("download {}", shown(url));
    let failed = |what: &str| Error::new(ErrorKind::Config, operation(), what.to_owned());
    let mut roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(pem) = &reach.ca_pem {
        use rustls_pki_types::pem::PemObject as _;
        for certificate in
            rustls_pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()).flatten()
        {
            roots
                .add(certificate)
                .map_err(|error| failed("the CA is not a usable certificate").with_source(error))?;
        }
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(|error| failed("TLS can't be set up").with_source(error))?
    .with_root_certificates(roots)
    .with_no_client_auth();
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(reach.connect_timeout)
        .read_timeout(reach.timeout)
        .timeout(Duration::from_secs(600));
    if let Some(proxy) = &reach.proxy {
        let through = reqwest::Proxy::all(proxy.clone())
            .map_err(|error| failed("the proxy can't be used").with_source(error))?;
        builder = builder.no_proxy().proxy(through);
    }
    let http = builder
        .build()
        .map_err(|error| failed("the HTTP client can't be built").with_source(error))?;
    let broken = |error: reqwest::Error| {
        Error::new(ErrorKind::Cut, operation(), "the server could not be read").with_source(error)
    };
    let mut response = http.get(url.clone()).send().await.map_err(broken)?;
    if response.status() != http::StatusCode::OK {
        return Err(Error::new(
            ErrorKind::Status,
            operation(),
            format!("it answered {}", response.status()),
        )
        .with_status(response.status()));
    }
    let mut file = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        file.extend_from_slice(&chunk);
        if file.len() > LIMIT {
            return Err(Error::new(
                ErrorKind::Unexpected,
                operation(),
                "it is larger than 64 MiB",
            ));
        }
    }
    Ok(file.freeze())
}
