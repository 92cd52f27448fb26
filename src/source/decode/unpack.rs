//! Archives: told by their first bytes whatever their name, one roster inside, unpacked into an unlinked file.

use super::{
    Incomplete, pgp,
    sniff::{self, Container},
    spool::{Bound, PIECE, copy, length, pieces},
};
use crate::source::Decrypt;
use flate2::bufread::MultiGzDecoder;
use std::{
    fs::File,
    io::{BufReader, ErrorKind},
    os::unix::fs::FileExt as _,
    path::Path,
};
use zip::ZipArchive;

/// So often is a file unpacked: an archive that is encrypted and packed again.
const LAYERS: usize = 4;
/// What programs put into archives beside the file that was meant.
const BESIDE: [&str; 3] = ["__MACOSX/", ".DS_Store", "Thumbs.db"];
/// Endings that say how a file is packed and not what it holds.
const PACKED: [&str; 5] = [".gz", ".zip", ".pgp", ".gpg", ".asc"];

/// Decrypts and unpacks, and gives what is inside with its name.
///
/// # Errors
/// When it is damaged, cut, too large, encrypted for somebody else, or not encrypted although it should be.
pub(super) fn unpack(
    file: File,
    name: &str,
    decrypt: Option<&Decrypt>,
    dir: &Path,
) -> Result<(File, String), Incomplete> {
    let mut file = file;
    // An archive in an archive is bound by what arrived: else it could grow by the bound's factor once for each layer.
    let arrived = length(&file)?;
    let mut name = plain(name).to_owned();
    let mut in_the_clear = decrypt.is_some_and(|decrypt| !decrypt.or_clear);
    for _ in 0..=LAYERS {
        let start = super::head(&mut file)?;
        match sniff::container(&start) {
            Some(Container::OpenPgp) => {
                let Some(decrypt) = decrypt else {
                    return Err(Incomplete(
                        "the file is an OpenPGP message; name our private key with `decrypt: { private_key: { … } }`"
                            .to_owned(),
                    ));
                };
                file = pgp::decrypt(file, decrypt, dir)?;
                in_the_clear = false;
            }
            Some(Container::Gzip) => file = gunzip(file, arrived, dir)?,
            Some(Container::Zip) => {
                let mut archive = open(&mut file)?;
                if is_workbook(&archive) {
                    break;
                }
                let (inside, inner) = only(&mut archive, arrived, dir)?;
                (file, name) = (inside, plain(&inner).to_owned());
            }
            None => break,
        }
    }
    if in_the_clear {
        return Err(Incomplete(
            "the file is not encrypted, and the source has `decrypt`: it is not what the sender has agreed to send; \
             ask for it again, or remove `decrypt`"
                .to_owned(),
        ));
    }
    Ok((file, name))
}

/// The name without what says how the file is packed.
fn plain(name: &str) -> &str {
    let mut name = name;
    while let Some(stem) = PACKED.iter().find_map(|ending| {
        let at = name.len().checked_sub(ending.len())?;
        name.get(at..).filter(|end| end.eq_ignore_ascii_case(ending)).and(name.get(..at))
    }) {
        name = stem;
    }
    name
}

fn gunzip(file: File, arrived: u64, dir: &Path) -> Result<File, Incomplete> {
    let mut bound = Bound::new(arrived);
    let mut inside = MultiGzDecoder::new(BufReader::with_capacity(PIECE, file));
    copy(&mut inside, &mut bound, dir, &|error| broken("gzip file", error))
}

/// Whether it is an archive that only a spreadsheet program writes.
fn is_workbook<R: std::io::Read + std::io::Seek>(archive: &ZipArchive<R>) -> bool {
    archive.index_for_name("[Content_Types].xml").is_some()
        && archive.index_for_name("xl/workbook.xml").is_some()
}

/// The archive, which is the whole of the file: the library takes the last one of several that were put one behind
/// another, and passes over what follows its end.
pub(super) fn open(file: &mut File) -> Result<ZipArchive<BufReader<&mut File>>, Incomplete> {
    let size = length(file)?;
    let bytes = file.try_clone().map_err(|error| broken("zip archive", &error))?;
    let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| unzippable(&error))?;
    let ends = ends_with(&bytes, size, archive.comment()).map_err(|error| broken("zip archive", &error))?;
    if archive.offset() == 0 && ends {
        return Ok(archive);
    }
    Err(Incomplete(
        "the file is more than one zip archive: something stands before or behind it, such as a second archive; have \
         each sent by itself"
            .to_owned(),
    ))
}

/// Whether the record that ends an archive (APPNOTE 4.3.16: 22 bytes and the comment) is the last thing in the file.
fn ends_with(bytes: &File, size: u64, comment: &[u8]) -> std::io::Result<bool> {
    let Some(at) = size.checked_sub(comment.len() as u64 + 22) else { return Ok(false) };
    let mut signature = [0; 4];
    bytes.read_exact_at(&mut signature, at)?;
    Ok(&signature == b"PK\x05\x06")
}

fn unzippable(error: &zip::result::ZipError) -> Incomplete {
    Incomplete(format!(
        "the zip archive cannot be read ({error}): it was cut or damaged on its way; ask for it again"
    ))
}

fn only(
    archive: &mut ZipArchive<BufReader<&mut File>>,
    arrived: u64,
    dir: &Path,
) -> Result<(File, String), Incomplete> {
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| unzippable(&error))?;
        let name = entry.name().map_err(|error| unzippable(&error))?.into_owned();
        if !entry.is_dir() && !BESIDE.iter().any(|beside| name.contains(beside)) {
            found.push((index, name, entry.encrypted(), entry.compressed_size()));
        }
    }
    let [(index, name, encrypted, packed)] = found.as_slice() else {
        return Err(Incomplete(format!(
            "the zip archive holds {} files, and one roster is expected; have each sent by itself",
            found.len()
        )));
    };
    if *encrypted {
        return Err(Incomplete(
            "the zip archive wants a password, which rosterd does not take; have the file encrypted with OpenPGP, or \
             sent in the clear over SFTP"
                .to_owned(),
        ));
    }
    let mut entry = archive.by_index(*index).map_err(|error| unzippable(&error))?;
    // The packed size is what the archive says of itself.
    let mut bound = Bound::new(arrived.min(*packed));
    let file = copy(&mut entry, &mut bound, dir, &|error| broken("zip archive", error))?;
    Ok((file, name.clone()))
}

/// Reads every part of an archive to its end, so that what it unpacks to is known and each checksum was looked at.
pub(super) fn verify(file: &mut File) -> Result<(), Incomplete> {
    let mut bound = Bound::new(length(file)?);
    let mut archive = open(file)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| unzippable(&error))?;
        pieces(&mut entry, &|error| broken("workbook", error), &mut |piece| bound.add(piece.len()))?;
    }
    Ok(())
}

fn broken(what: &str, error: &std::io::Error) -> Incomplete {
    if error.kind() == ErrorKind::UnexpectedEof {
        return Incomplete(format!("the {what} ends too early: it was cut on its way; ask for it again"));
    }
    Incomplete(format!(
        "the {what} cannot be unpacked ({error}): it was damaged on its way; ask for it again"
    ))
}
