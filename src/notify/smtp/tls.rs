//! Which certificates are trusted: the system's, and those of `ca_file`.

use super::super::Smtp;
use lettre::transport::smtp::client::{Certificate, TlsParameters, TlsParametersBuilder};
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// Whether a file's content has a certificate, as PEM.
pub(in crate::notify) fn has_certificate(pem: &[u8]) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(pem);
    matches!(certificates.next(), Some(Ok(_)))
}

/// What a server's certificate is judged by. Reads the system's roots and `ca_file` afresh.
///
/// # Errors
/// Which of the two cannot be had, and what to do.
pub(super) fn parameters(smtp: &Smtp) -> Result<TlsParameters, String> {
    let mut builder = TlsParametersBuilder::new(smtp.host.clone());
    if let Some(path) = &smtp.ca_file {
        let shown = path.display();
        let pem = std::fs::read(path).map_err(|error| {
            format!("cannot be tried, because `alerts.smtp.ca_file`, `{shown}`, cannot be read ({error}); make it readable")
        })?;
        let parsed = if has_certificate(&pem) { Certificate::from_pem(&pem).ok() } else { None };
        builder = builder.add_root_certificate(parsed.ok_or_else(|| {
            format!("cannot be tried, because `alerts.smtp.ca_file`, `{shown}`, holds no certificate; it must be PEM, one or more")
        })?);
    }
    builder.build().map_err(|_| {
        "cannot be tried, because this host knows no certificate authority; install the package `ca-certificates`, or name `alerts.smtp.ca_file`"
            .to_owned()
    })
}
