//! Decrypts and unpacks one file as a sync does, up to the header of what is inside: what `benches/archives.sh` times.
//!
//! `archive_read FILE SPOOL [KEY [SIGNER]]`

use rosterd::{
    secret::Secret,
    source::{
        Csv, Decrypt, Encoding, Format,
        decode::{self, How, Incomplete, Step, json::Cells},
    },
};
use std::{fs::File, io::Write, path::Path};

/// What ends the read when the header has come.
const ENOUGH: &str = "enough";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(path), Some(spool)) = (arguments.first(), arguments.get(1)) else {
        anyhow::bail!("usage: archive_read FILE SPOOL [KEY [SIGNER]]");
    };
    let key = |at: usize| arguments.get(at).map(|path| Secret::File(path.into()));
    let decrypt = key(2).map(|private_key| Decrypt {
        private_key,
        passphrase: None,
        signed_by: key(3),
        or_clear: false,
    });
    // A declared encoding, so that no pass over the text is counted that looks for one.
    let format =
        Format::Csv(Csv { encoding: Encoding::named("utf-8").unwrap_or_default(), ..Csv::default() });
    let how = How {
        name: path,
        format: &format,
        decrypt: decrypt.as_ref(),
        cells: Cells { columns: &[], needed: &[], dates: &[] },
        dir: Path::new(spool),
        source_index: 0,
    };
    let mut columns = 0;
    let read = decode::read(File::open(path)?, &how, &mut |step| match step {
        Step::Header(header) => {
            columns = header.names.len();
            Err(Incomplete(ENOUGH.to_owned()))
        }
        Step::Rows(_) => Ok(()),
    });
    match read {
        Err(Incomplete(why)) if why == ENOUGH => {
            writeln!(std::io::stdout(), "{columns} columns")?;
            Ok(())
        }
        Err(why) => Err(why.into()),
        Ok(_) => anyhow::bail!("there is no header"),
    }
}
