//! What stops a read before it has a file or a record: told apart by who mends it.

use crate::{
    notify::Kind,
    source::{Failure, Hop},
};

/// What may stand in the way to a source.
pub(super) const WAY: &[Kind] = &[Kind::SourceFailed, Kind::SourceCredential, Kind::HostKeyChanged];
/// What is over when a source gave something, be it too late or not whole.
pub(super) const CAME: &[Kind] =
    &[Kind::SourceFailed, Kind::SourceCredential, Kind::HostKeyChanged, Kind::NotRun];

/// Of which kind the incident of a failed read is.
pub(super) fn kind_of(failure: &Failure) -> Kind {
    match failure {
        Failure::Failed { hop: Hop::HostKey, .. } => Kind::HostKeyChanged,
        // A server that does not answer while we log in refuses nothing.
        Failure::Failed { hop: Hop::Authenticate, passing: false, .. } => Kind::SourceCredential,
        Failure::Failed { .. } | Failure::NothingYet(_) => Kind::SourceFailed,
        Failure::Incomplete(_) => Kind::ReadIncomplete,
    }
}

/// What is over when a read came as far as this failure: a login that is refused shows that the server is known, and
/// a folder that is missing that the login went well.
pub(super) fn over_by(failure: &Failure) -> &'static [Kind] {
    match failure {
        Failure::Failed { hop, passing, .. } => match hop {
            Hop::HostKey => &[Kind::SourceFailed],
            Hop::Authenticate if !passing => &[Kind::SourceFailed, Kind::HostKeyChanged],
            Hop::Sftp | Hop::List | Hop::Read => &[Kind::SourceCredential, Kind::HostKeyChanged],
            Hop::Resolve
            | Hop::Connect
            | Hop::Authenticate
            | Hop::Request
            | Hop::Spool
            | Hop::AfterSuccess => &[],
        },
        Failure::NothingYet(_) => WAY,
        Failure::Incomplete(_) => CAME,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(hop: Hop, passing: bool) -> Failure {
        Failure::Failed { hop, message: String::new(), passing }
    }

    #[test]
    fn every_hop_has_its_kind_and_ends_no_incident_that_it_does_not_disprove() {
        use Kind::{HostKeyChanged, SourceCredential, SourceFailed};
        let cases: [(Hop, bool, Kind, &[Kind]); 12] = [
            (Hop::Resolve, false, SourceFailed, &[]),
            (Hop::Connect, true, SourceFailed, &[]),
            (Hop::HostKey, false, HostKeyChanged, &[SourceFailed]),
            (Hop::Authenticate, false, SourceCredential, &[SourceFailed, HostKeyChanged]),
            (Hop::Authenticate, true, SourceFailed, &[]),
            (Hop::Sftp, false, SourceFailed, &[SourceCredential, HostKeyChanged]),
            (Hop::List, false, SourceFailed, &[SourceCredential, HostKeyChanged]),
            (Hop::Read, true, SourceFailed, &[SourceCredential, HostKeyChanged]),
            (Hop::Request, false, SourceFailed, &[]),
            (Hop::Request, true, SourceFailed, &[]),
            (Hop::Spool, false, SourceFailed, &[]),
            (Hop::AfterSuccess, false, SourceFailed, &[]),
        ];
        for (hop, passing, kind, over) in cases {
            let failure = failed(hop, passing);
            assert_eq!((kind_of(&failure), over_by(&failure)), (kind, over), "{hop:?}, passing: {passing}");
            assert!(!over_by(&failure).contains(&kind), "{hop:?}");
        }
    }
}
