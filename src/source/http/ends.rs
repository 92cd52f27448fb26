//! When credentials end: a secret on the day that the configuration says, a client certificate when it says so itself.

use super::settings::{Certificate, Http};
use crate::{
    secret::Secret,
    source::settings::{Place, Settings},
};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use der::{
    Decode as _, Reader as _, SliceReader, Tag, Tagged as _,
    asn1::{AnyRef, GeneralizedTime, UtcTime},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::ExposeSecret as _;

/// So many days before the end somebody is told, and told again.
const STEPS: [i64; 3] = [5, 10, 30];

/// A credential that has an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Which one of the source: `auth` or `client_certificate`.
    pub credential: &'static str,
    /// When it ends. None when the certificate cannot be read, so that nobody knows.
    pub at: Option<DateTime<Utc>>,
    source: String,
}

impl Ending {
    /// That it is about to end, or has ended, in words that change 30, 10 and 5 days before the end and at the end;
    /// nothing before that.
    #[must_use]
    pub fn warning(&self, now: DateTime<Utc>) -> Option<String> {
        let at = self.at?;
        let left = at - now;
        let what = match self.credential {
            "client_certificate" => "a certificate of `client_certificate`",
            _ => "the secret under `auth`",
        };
        let (source, day) = (&self.source, at.format("%Y-%m-%d"));
        if left <= TimeDelta::zero() {
            return Some(format!("Source `{source}`: {what} has ended, on {day}."));
        }
        let step = STEPS.into_iter().find(|days| left <= TimeDelta::days(*days))?;
        Some(format!("Source `{source}`: {what} ends on {day}, in {step} days or less."))
    }
}

/// The credentials of a source that have an end.
#[must_use]
pub fn endings(settings: &Settings) -> Vec<Ending> {
    let Place::Http(http) = &settings.place else { return Vec::new() };
    let Http { expires, certificate, .. } = &**http;
    let ending = |credential, at| Ending { credential, at, source: settings.name.clone() };
    let secret = expires.map(|day| ending("auth", Some(beginning_of(day))));
    let certificate = certificate
        .as_ref()
        .map(|Certificate { certificate, .. }| ending("client_certificate", end_of(certificate)));
    secret.into_iter().chain(certificate).collect()
}

/// On the day itself nobody can rely on the secret any more.
fn beginning_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// When that certificate of the chain ends that ends first: from then on servers refuse it.
fn end_of(place: &Secret) -> Option<DateTime<Utc>> {
    let pem = place.read().ok()?;
    let ends = CertificateDer::pem_slice_iter(pem.expose_secret().as_bytes())
        .map(|certificate| not_after(&certificate.ok()?));
    ends.collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// `notAfter` of a certificate (RFC 5280, 4.1).
fn not_after(certificate: &[u8]) -> Option<DateTime<Utc>> {
    let seconds =
        SliceReader::new(certificate).and_then(|mut reader| reader.sequence(in_certificate)).ok()?;
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

fn in_certificate(certificate: &mut SliceReader<'_>) -> der::Result<u64> {
    let seconds = certificate.sequence(|body: &mut SliceReader<'_>| {
        // The version stands before the serial number, and may be missing.
        if matches!(AnyRef::decode(body)?.tag(), Tag::ContextSpecific { .. }) {
            AnyRef::decode(body)?;
        }
        let (_algorithm, _issuer) = (AnyRef::decode(body)?, AnyRef::decode(body)?);
        let seconds = body.sequence(|validity: &mut SliceReader<'_>| {
            AnyRef::decode(validity)?;
            let end = AnyRef::decode(validity)?;
            let since_1970 = if end.tag() == Tag::UtcTime {
                end.decode_as::<UtcTime>()?.to_unix_duration()
            } else {
                end.decode_as::<GeneralizedTime>()?.to_unix_duration()
            };
            Ok::<_, der::Error>(since_1970.as_secs())
        })?;
        body.drain(body.remaining_len())?;
        Ok::<_, der::Error>(seconds)
    })?;
    certificate.drain(certificate.remaining_len())?;
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(year: i32) -> String {
        let mut params = CertificateParams::new(vec!["rosterd".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 3, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn end(text: &str) -> Option<DateTime<Utc>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file.as_file(), text.as_bytes()).unwrap();
        end_of(&Secret::File(file.path().to_owned()))
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_certificate_says_when_it_ends_and_a_chain_ends_with_any_of_its_own() {
        let (early, late) = (certificate(2027), certificate(2055));
        assert_eq!(end(&early), Some(at("2027-03-01T00:00:00Z")));
        assert_eq!(end(&late), Some(at("2055-03-01T00:00:00Z")), "beyond 2049 the time has another form");
        assert_eq!(end(&format!("{late}{early}")), Some(at("2027-03-01T00:00:00Z")));
        let cut = early.replacen("MII", "MIA", 1);
        for unreadable in ["", "no certificate", &cut, &format!("{late}{cut}")] {
            assert_eq!(end(unreadable), None, "{unreadable}");
        }
        assert_eq!(end_of(&Secret::File("/nowhere".into())), None);
    }

    #[test]
    fn a_warning_changes_at_each_step_and_at_no_other_time() {
        let ending =
            Ending { credential: "auth", at: Some(at("2027-03-01T00:00:00Z")), source: "hr".to_owned() };
        let mut said = Vec::new();
        for hour in 0..24 * 60 {
            let now = at("2027-01-20T00:30:00Z") + TimeDelta::hours(hour);
            if let Some(words) = ending.warning(now)
                && said.last().is_none_or(|(_, last)| *last != words)
            {
                said.push((now.format("%m-%d").to_string(), words));
            }
        }
        let shown: Vec<String> = said.iter().map(|(day, words)| format!("{day}: {words}")).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        01-30: Source `hr`: the secret under `auth` ends on 2027-03-01, in 30 days or less.
        02-19: Source `hr`: the secret under `auth` ends on 2027-03-01, in 10 days or less.
        02-24: Source `hr`: the secret under `auth` ends on 2027-03-01, in 5 days or less.
        03-01: Source `hr`: the secret under `auth` has ended, on 2027-03-01.
        ");
        assert_eq!(Ending { at: None, ..ending }.warning(at("2027-03-01T00:00:00Z")), None);
    }
}
