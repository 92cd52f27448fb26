//! `rosterd alert-test`.

use super::{Exit, Failure, open};
use crate::{
    clock::{Clock, SystemClock},
    notify::{self, Receipt, Settings},
};
use chrono::{DateTime, Utc};
use std::{io::Write, path::PathBuf};

pub(super) async fn run(config: Option<PathBuf>) -> Result<Exit, Failure> {
    let settings = open::settings(config)?;
    let (lines, exit) = test(&settings.alerts, SystemClock.now(), &mut token).await?;
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(exit)
}

/// Sends a test mail to each list of recipients, directly. What was said for each recipient, one a line, and how
/// that is to end: failed when one of them has no mail.
///
/// # Errors
/// When nobody is told of anything.
pub(super) async fn test(
    settings: &Settings,
    now: DateTime<Utc>,
    token: &mut dyn FnMut() -> String,
) -> Result<(Vec<String>, Exit), Failure> {
    let Some(mail) = settings.mail() else {
        let text =
            "`alerts` is `none`, so nobody is told of anything; write `alerts` with `smtp`, `from` and `to`";
        return Err(Failure::wrong(text.to_owned()));
    };
    let (mut lines, mut exit) = (Vec::new(), Exit::Done);
    for test in notify::test_mails(settings, now, token) {
        match notify::send(mail, &test).await {
            Ok(receipts) => {
                for (address, receipt) in receipts {
                    let (word, said) = match receipt {
                        Receipt::Taken(said) => ("taken", said),
                        Receipt::Refused(said) => ("refused", said),
                        Receipt::Later(said) => ("not taken now", said),
                    };
                    if word != "taken" {
                        exit = Exit::Failed;
                    }
                    lines.push(format!("{address}: {word}: {said}"));
                }
            }
            Err(why) => {
                exit = Exit::Failed;
                lines.push(format!("{}: not sent: {why}", test.to.join(", ")));
            }
        }
    }
    Ok((lines, exit))
}

/// Sixteen random bytes in hexadecimal, or nothing where the system has none: the mail's time stands in then.
fn token() -> String {
    let mut bytes = [0_u8; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(_) => String::new(),
    }
}
