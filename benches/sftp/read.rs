//! Reads one file from an SFTP server as a sync does, and prints its size and SHA-256: what `benches/sftp.sh` times.
//!
//! `sftp_read PORT USER KEY FINGERPRINT PATH SPOOL`

use anyhow::Context as _;
use rosterd::{
    clock::SystemClock,
    mapping,
    secret::Secret,
    source::{self, AfterSuccess, Format, HostKey, Patience, Pick, Place, Settings, Sftp},
};
use std::{collections::BTreeMap, io::Write, path::Path, sync::Arc, time::Duration};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, user, key, fingerprint, path, spool] = arguments.as_slice() else {
        anyhow::bail!("usage: sftp_read PORT USER KEY FINGERPRINT PATH SPOOL");
    };
    let server = Sftp {
        host: "127.0.0.1".to_owned(),
        port: port.parse()?,
        username: user.clone(),
        private_key: Some(Secret::File(key.into())),
        passphrase: None,
        password: None,
        host_key: HostKey::Fingerprint(fingerprint.clone()),
        patience: Patience::default(),
    };
    let eligibility = mapping::Eligibility {
        status: None,
        starts_on: None,
        ends_on: None,
        when: None,
        timezone: chrono_tz::UTC,
    };
    let settings = Settings {
        name: "bench".to_owned(),
        place: Place::Sftp(Box::new(server)),
        pick: Pick {
            path: path.clone(),
            settle: Duration::ZERO,
            take: rosterd::source::Take::Newest,
            done_marker: None,
            max_age: None,
            after_success: AfterSuccess::Leave,
        },
        format: Format::ByName,
        decrypt: None,
        min_rows: 1,
        mapping: Arc::new(mapping::Settings {
            name: "bench".to_owned(),
            fields: BTreeMap::new(),
            blanks: Vec::new(),
            eligibility,
        }),
    };
    let arrived = source::fetch(&settings, Path::new(spool), &SystemClock, &|_| ())
        .await?
        .pop()
        .context("nothing arrived")?;
    writeln!(std::io::stdout(), "{} {}", arrived.size, arrived.sha256)?;
    Ok(())
}
