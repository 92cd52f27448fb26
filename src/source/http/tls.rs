//! What it means when no encrypted connection comes about: whose certificate is at fault, and who mends it.

use crate::source::{Failure, Hop};
use rustls::{AlertDescription, CertificateError, Error as Tls};
use std::{error::Error, io};

/// What servers say when a certificate is missing or is not one that they take.
const ABOUT_OURS: [AlertDescription; 9] = [
    AlertDescription::CertificateRequired,
    AlertDescription::BadCertificate,
    AlertDescription::UnknownCA,
    AlertDescription::CertificateUnknown,
    AlertDescription::CertificateRevoked,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::AccessDenied,
    AlertDescription::DecryptError,
    AlertDescription::HandshakeFailure,
];

/// What a person should do about an error of TLS; nothing for any other error, and for one that may pass.
pub(super) fn explain(error: &(dyn Error + 'static), host: &str, ours: bool) -> Option<Failure> {
    let error = find(error)?;
    if let Tls::InvalidCertificate(error) = error {
        return Some(Failure::at(Hop::Connect, about_theirs(error, host)));
    }
    let Tls::AlertReceived(alert) = error else { return None };
    if *alert == AlertDescription::CertificateExpired {
        return Some(Failure::at(
            Hop::Authenticate,
            format!(
                "`{host}` says that our client certificate has ended; have it renewed, and replace `client_certificate`"
            ),
        ));
    }
    ABOUT_OURS.contains(alert).then(|| Failure::at(Hop::Authenticate, about_ours(*alert, host, ours)))
}

/// The error of TLS in a chain: an error of the operating system's kind hides what it was made of.
fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Tls> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// What the server says of a certificate that is missing, or that it refuses.
fn about_ours(alert: AlertDescription, host: &str, ours: bool) -> String {
    if ours {
        format!(
            "`{host}` refuses our client certificate ({alert:?}); look whether `client_certificate` is the one that \
             whoever keeps the API issued for this host, with what is between it and its root"
        )
    } else {
        format!(
            "`{host}` lets nobody in without a client certificate ({alert:?}); have whoever keeps the API issue one, and \
             give it as `client_certificate` under `auth`"
        )
    }
}

/// What is wrong with the server's.
fn about_theirs(error: &CertificateError, host: &str) -> String {
    if matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. }) {
        format!("the certificate of `{host}` has ended; ask whoever keeps the API to renew it")
    } else if matches!(error, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) {
        format!("the certificate of `{host}` is not valid yet; look whether this host's clock is right")
    } else if matches!(error, CertificateError::UnknownIssuer) {
        format!(
            "nobody whom this host trusts has issued the certificate of `{host}`; check the address, or give its \
             issuer's certificate as `ca_file`"
        )
    } else if matches!(
        error,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    ) {
        format!("the certificate of `{host}` is for another name; correct `url`")
    } else {
        format!("the certificate of `{host}` cannot be trusted ({error}); ask whoever keeps the API")
    }
}
