//! Words for what can go wrong between the source and the roster.

use super::Words;

pub(super) const SOURCE_FAILED: Words = Words {
    subject: "source not read",
    tally: &[],
    happened: "A source of {feed} could not be read.",
    means: "Nothing was submitted, so nobody has lost coverage. Until a read succeeds, new people wait for \
            coverage, and people who left stay covered.",
    remedy: &[
        "Mend the way to the source of {feed}, or call whoever keeps it: it could not be read.",
        "rosterd check",
        "rosterd sync {feed}",
    ],
    over_subject: "source read again",
    over: "what stopped the read of {feed} stops it no longer.",
};

pub(super) const SOURCE_CREDENTIAL: Words = Words {
    subject: "source refuses the login",
    tally: &[],
    happened: "A source of {feed} did not let rosterd in, or the credential for it cannot be used.",
    means: "Nothing was submitted, so nobody has lost coverage. Until the login works, new people wait for coverage, and \
            people who left stay covered. Many tries with a wrong credential may have the account blocked.",
    remedy: &[
        "Renew the key or password for the source of {feed} with whoever keeps the source.",
        "rosterd check --connect",
        "A secret in a file is read again by itself with the next run. To try at once:",
        "rosterd sync {feed}",
    ],
    over_subject: "source lets rosterd in",
    over: "the source of {feed} lets rosterd in again.",
};

pub(super) const HOST_KEY_CHANGED: Words = Words {
    subject: "host key changed or unknown",
    tally: &[],
    happened: "The server of {feed} showed another host key than the one that the configuration knows, so it may be another \
               server. No login was tried there.",
    means: "Nothing was read and nothing was submitted, so nobody has lost coverage. Until the server is known again, new \
            people wait for coverage, and people who left stay covered.",
    remedy: &[
        "Ask the server's operator by phone whether the host key is theirs; change nothing before.",
        "Only if it is theirs, write the new key in the configuration as is said below, and have it read again \
         (`systemctl reload rosterd`). To see whether it is taken:",
        "rosterd check --connect",
        "rosterd sync {feed}",
    ],
    over_subject: "host key known again",
    over: "the server of {feed} shows a host key that the configuration knows.",
};

pub(super) const NOT_RUN: Words = Words {
    subject: "scheduled run did not take place",
    tally: &[],
    happened: "{feed} was due by its schedule, and no roster came of it.",
    means: "Nobody has lost coverage. But whatever has changed at the source since the last run is not at Vitable: new \
            people wait for coverage, and people who left stay covered.",
    remedy: &[
        "Run {feed} by hand if it shall not wait for its next schedule.",
        "rosterd sync {feed}",
        "rosterd status",
    ],
    over_subject: "run again",
    over: "{feed} was read and decided again.",
};

pub(super) const FILE_LATE: Words = Words {
    subject: "file missing or late",
    tally: &[],
    happened: "No new file of {feed} has come for longer than `max_age` allows.",
    means: "Nobody has lost coverage. But as long as no new file comes, new people wait for coverage, and people who \
            left stay covered. A late file that was never read before is not read, because what it says may long \
            have changed.",
    remedy: &[
        "Ask the sender of {feed} why no new file comes, and have it sent; the next run reads it by itself.",
        "rosterd check",
        "If the file that is there is right and only old, raise `max_age` in the configuration. After a new file has come:",
        "rosterd sync {feed}",
    ],
    over_subject: "a new file has come",
    over: "a file of {feed} came in time and was read.",
};

pub(super) const SECRET_EXPIRING: Words = Words {
    subject: "secret or certificate expiring",
    tally: &[],
    happened: "A credential with which {feed} is read has an end.",
    means: "Nobody has lost coverage. But from the end on the source cannot be read: then nothing is submitted, new people \
            wait for coverage, and people who left stay covered.",
    remedy: &[
        "Have the credential of {feed} renewed by whoever keeps the API, and put the new one in its place.",
        "For a secret, write its new end under `auth.expires` of the source and have the configuration read again \
         (`systemctl reload rosterd`); a certificate says its end itself. To see whether the new one is taken:",
        "rosterd check --connect",
    ],
    over_subject: "secret or certificate renewed",
    over: "the credential of {feed} was renewed, or is used no longer.",
};

pub(super) const AFTER_SUCCESS: Words = Words {
    subject: "file not moved or deleted",
    tally: &[],
    happened: "A file of {feed} was read, and every group has its roster. But what `after_success` says could not be \
               done with the file.",
    means: "Coverage is not affected: everything was submitted. The file lies where it was, and may be read again.",
    remedy: &[
        "Let rosterd move or delete the files of {feed} that were read: a folder or a permission is wrong.",
        "rosterd check",
        "It is tried again with each run and at each start. To try at once:",
        "rosterd sync {feed}",
    ],
    over_subject: "file moved or deleted",
    over: "the file of {feed} was moved or deleted, or is not there any more.",
};

pub(super) const READ_INCOMPLETE: Words = Words {
    subject: "incomplete read",
    tally: &[],
    happened: "What {feed} delivered cannot be taken for a whole roster, so all of the read was thrown away.",
    means: "Nothing was submitted: whoever is missing from a submitted roster loses coverage, so no approval \
            can release an incomplete read. Nobody has lost coverage. New people wait, and people who left stay \
            covered.",
    remedy: &[
        "Have the export of {feed} corrected and sent again, or correct its columns and formats in the configuration.",
        "rosterd show {run}",
        "rosterd sync {feed}",
        "If the export has changed on purpose, change the configuration and check it before the next run.",
        "rosterd check",
    ],
    over_subject: "read whole again",
    over: "{feed} was read whole again.",
};

pub(super) const READ_SUSPICIOUS: Words = Words {
    subject: "suspicious read, held",
    tally: &[],
    happened: "The read of {feed} is complete, but looks unlike the last one that was accepted. Every group of the \
               feed is held.",
    means: "Nothing was submitted, so nobody has lost coverage. Until a person decides, new people wait for \
            coverage, and people who left stay covered.",
    remedy: &[
        "Ask the employer whether the export of {feed} is right, then approve it or have it sent again.",
        "rosterd show {run}",
        "rosterd approve {run} --all --reason \"WHY\"",
        "After a corrected export has arrived:",
        "rosterd sync {feed}",
    ],
    over_subject: "read accepted again",
    over: "the newest read of {feed} is accepted, and becomes what later ones are compared with.",
};

pub(super) const ROWS_LEFT_OUT: Words = Words {
    subject: "rows left out",
    tally: &[("left_out", "person not covered", "people not covered"), ("problem_rows", "row", "rows")],
    happened: "",
    means: "Who stands in these rows and is not covered yet gets no coverage until the rows are right. A row without a usable \
            `reference_id` could be anybody: while there is one, nobody who is absent from the export is removed \
            without approval.",
    remedy: &[
        "Have HR correct these rows of {feed}; the next run takes them by itself.",
        "rosterd show {run}",
        "The first command names each row and what is wrong with it, for HR. To take the corrected export at once:",
        "rosterd sync {feed}",
    ],
    over_subject: "no rows left out",
    over: "every row of {feed} could be used again.",
};

pub(super) const ROWS_CARRIED: Words = Words {
    subject: "rows carried forward",
    tally: &[
        ("carried", "person stays as last accepted", "people stay as last accepted"),
        ("problem_rows", "row", "rows"),
    ],
    happened: "",
    means: "They stay covered. But what has changed in their rows does not reach Vitable, and if one of them has \
            left, rosterd cannot see it. When a record is carried for longer than `carry_forward_for`, the group is held.",
    remedy: &[
        "Have HR correct these rows of {feed}; the next run takes them by itself.",
        "rosterd show {run}",
        "The first command names each row and what is wrong with it, for HR. To take the corrected export at once:",
        "rosterd sync {feed}",
    ],
    over_subject: "nobody carried forward",
    over: "the rows of all covered people in {feed} could be used again.",
};
