//! Every key that the file may have, once: what the reader knows, what it refuses as "not supported yet",
//! and the JSON Schema all come from these tables.

pub(super) mod http;

/// One key of a section.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
    pub(super) doc: &'static str,
}

/// The form of a value, as the schema tells it. The reader checks more than that.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Flag,
    /// A whole number of at least this.
    Whole(u64),
    Duration,
    Share,
    Choice(&'static [&'static str]),
    List(&'static Shape),
    /// A map whose keys are the operator's own names.
    Named(&'static Shape),
    Section(&'static [Key]),
    AnyOf(&'static [Shape]),
    /// Whatever JSON can say.
    Any,
    /// Known, and part of a later version: with what the operator can do today.
    Later(&'static str),
}

const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: false, doc }
}

const fn must(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: true, doc }
}

const fn later(name: &'static str, instead: &'static str) -> Key {
    Key { name, shape: Shape::Later(instead), required: false, doc: instead }
}

use Shape::{AnyOf, Choice, Duration, Flag, List, Named, Section, Share, Text, Whole};

pub(super) static ROOT: &[Key] = &[
    must("vitable", Section(VITABLE), "how Vitable is reached"),
    key(
        "state_dir",
        Text,
        "where rosterd keeps its state; default `$STATE_DIRECTORY`, else /var/lib/rosterd",
    ),
    key(
        "state_key",
        Section(SECRET),
        "seals the member records; without it a key file is made in `state_dir`",
    ),
    key(
        "control_socket",
        Text,
        "where `rosterd run` listens; default `$RUNTIME_DIRECTORY/control.sock`, else `control.sock` in `state_dir`",
    ),
    later("http", "the status page comes in a later version; remove the section"),
    later("history", "every run is kept for now; remove the section"),
    must(
        "alerts",
        AnyOf(&[Choice(&["none"]), Section(ALERTS)]),
        "who is told of problems; `none` for nobody",
    ),
    key("include", List(&Text), "more files with mappings, sources and feeds; globs allowed"),
    key("mappings", Named(&Section(MAPPING)), "how the records of a source become members"),
    key("sources", Named(&Section(SOURCE)), "places where rows come from"),
    key("feeds", Named(&Section(FEED)), "the units of all-or-nothing reading"),
    key("defaults", Section(DEFAULTS), "for every feed that does not say"),
];

/// An included file has a part of the root.
pub(super) const INCLUDABLE: [&str; 3] = ["mappings", "sources", "feeds"];

pub(super) static SECRET: &[Key] = &[
    key("env", Text, "the name of an environment variable"),
    key("file", Text, "the path of a file"),
    key("credential", Text, "the name of a systemd credential"),
];

pub(super) static VITABLE: &[Key] = &[
    must("base_url", Text, "https; plain http for loopback addresses alone"),
    must(
        "api_key",
        Section(SECRET),
        "the API key, as `{ env: NAME }`, `{ file: PATH }` or `{ credential: NAME }`",
    ),
    key("organization", Text, "`org_…`, when the key reaches several"),
    key("timeout", Duration, "without progress; default 60s"),
    key("max_in_flight", Whole(1), "HTTP requests at a time; default 8"),
    key("max_members_per_sync", Whole(1), "a larger roster is held; default 5000"),
    key("poll", Section(POLL), "how a request in flight is looked after"),
    key("proxy", Text, "an HTTP proxy for every request"),
    key("ca_file", Text, "certificates added to the system's roots"),
];

pub(super) static POLL: &[Key] = &[
    key("first", Duration, "between the answer and the first look; default 2s"),
    key("max", Duration, "the longest wait between two looks; default 60s"),
    key("stuck_after", Duration, "after this a person is told; default 15m"),
    key("give_up_after", Duration, "after this the attempt is timed out; default 24h"),
];

pub(super) static ALERTS: &[Key] = &[
    key("smtp", Section(SMTP), "the mail server that takes the mails; or `folder`"),
    key("folder", Text, "where mails are written as .eml files; or `smtp`"),
    must("from", Text, "the sender, with an optional name"),
    must("to", List(&Text), "the recipients"),
    key("remind_every", Duration, "an open problem is mailed again this often; default 24h"),
    key(
        "at_most",
        Text,
        "so many mails within so long to the same people, more come together; default 10/1h",
    ),
    key("digest", Section(DIGEST), "a mail that tells how everything stands, made by `rosterd run`"),
    key(
        "heartbeat_url",
        Text,
        "asked each minute while all is well, for a dead-man's switch; https, plain http for loopback addresses alone; a secret",
    ),
];

pub(super) static DIGEST: &[Key] = &[
    must("cron", Text, "minute, hour, day of the month, month, day of the week"),
    key("timezone", Text, "whose clock counts; default: the one of `defaults.schedule`"),
];

pub(super) static SMTP: &[Key] = &[
    must("host", Text, "the mail server's name, which its certificate is for"),
    key("port", Whole(1), "default 587 with starttls, 465 with tls, 25 with none"),
    key(
        "encryption",
        Choice(&["starttls", "tls", "none"]),
        "default starttls; none for a mail server on this host alone",
    ),
    key("username", Text, "the account, with `password`; without both there is no login"),
    key(
        "password",
        Section(SECRET),
        "its password, as `{ env: NAME }`, `{ file: PATH }` or `{ credential: NAME }`",
    ),
    key("ca_file", Text, "certificates added to the system's roots"),
];

pub(super) static FEED_ALERTS: &[Key] = &[must("to", List(&Text), "the recipients")];

pub(super) static MAPPING: &[Key] = &[
    must("fields", Section(FIELDS), "where each field of a member comes from"),
    key("blanks", List(&Text), "cells read as absent beside the empty one, exact case; not in names"),
    key("eligibility", Section(ELIGIBILITY), "who belongs on the roster; without it every row does"),
];

static COLUMN_OR_MORE: &[Shape] = &[Text, Section(FIELD)];

const fn field(name: &'static str) -> Key {
    Key { name, shape: AnyOf(COLUMN_OR_MORE), required: false, doc: "a column, or how the value is found" }
}

pub(super) static FIELDS: &[Key] = &[
    field("reference_id"),
    field("first_name"),
    field("last_name"),
    field("date_of_birth"),
    field("phone"),
    field("email"),
    field("plan_id"),
    field("address_line_1"),
    field("address_line_2"),
    field("city"),
    field("state"),
    field("zipcode"),
];

pub(super) static FIELD: &[Key] = &[
    key("column", Text, "a column"),
    key("first_of", List(&Text), "the first of these columns that is not blank"),
    key("value", Text, "a constant"),
    key("cel", Text, "a CEL expression over `row`"),
    key("format", AnyOf(&[Text, List(&Text)]), "date_of_birth alone: one format or a list; none is ISO 8601"),
    key("pivot", Whole(1900), "the latest year that two digits of `%y` may mean"),
    key("values", Named(&Text), "a translation of the cell"),
    key("otherwise", Text, "for a cell that `values` does not list; without it that is a row problem"),
    key("restore_zeros", Flag, "zipcode alone: 2108 becomes 02108, and is counted"),
    key(
        "sensitive",
        Choice(&["hash", "allow"]),
        "reference_id alone: when it looks like a social security number",
    ),
];

pub(super) static ELIGIBILITY: &[Key] = &[
    key("status", Section(STATUS), "by a status column"),
    key("starts_on", AnyOf(&[Text, Section(DATE)]), "not covered before that day"),
    key("ends_on", AnyOf(&[Text, Section(DATE)]), "covered through that day"),
    key("when", Text, "a CEL expression over `row`, for the rest"),
    key("timezone", Text, "whose today counts; default: the feed's schedule"),
];

pub(super) static STATUS: &[Key] = &[
    must("column", Text, "the column"),
    must("covered", List(&Text), "values that mean covered"),
    key("ended", List(&Text), "values that mean that the person has left"),
];

pub(super) static DATE: &[Key] = &[
    must("column", Text, "the column"),
    key("format", AnyOf(&[Text, List(&Text)]), "one format or a list; none is ISO 8601"),
    key("pivot", Whole(1900), "the latest year that two digits of `%y` may mean"),
];

pub(super) static SOURCE: &[Key] = &[
    key("file", Section(FILE), "a file on this host"),
    key("sftp", Section(SFTP), "a file on an SFTP server"),
    key("http", Section(http::HTTP), "an HTTP API"),
    key("csv", Section(CSV), "how a CSV file is read; the default, unless the file's name ends with `.xlsx`"),
    key("xlsx", Section(XLSX), "which sheet of an Excel workbook is read"),
    key("json", Section(http::JSON), "the file is a JSON document with a list of records"),
    key("decrypt", Section(DECRYPT), "the files are encrypted with OpenPGP"),
    key("min_rows", Whole(0), "fewer rows are an incomplete read; default 1"),
    key("mapping", Text, "the name of a mapping"),
    key("fields", Section(FIELDS), "single fields instead of the mapping's"),
];

const MAX_AGE: Key =
    key("max_age", Duration, "a file that is older when it is first read is late: a person is told");
static AFTERWARDS: &[Shape] = &[Choice(&["leave", "delete"]), Section(MOVE)];
const AFTER_SUCCESS: Key = key(
    "after_success",
    AnyOf(AFTERWARDS),
    "what becomes of the file when every group has its roster; default leave",
);
const TAKE: Key = key(
    "take",
    Choice(&["newest", "all"]),
    "which match is read: the newest, or all, each one part of the roster; default newest",
);
const DONE_MARKER: Key = key(
    "done_marker",
    Text,
    "the file that the sender writes last, such as `\"{path}.done\"`; without it nothing is read",
);

pub(super) static FILE: &[Key] = &[
    must("path", Text, "a path, or a glob in its last part"),
    TAKE,
    key("settle", Duration, "size and modification time must have stood still this long; default 0s"),
    MAX_AGE,
    DONE_MARKER,
    AFTER_SUCCESS,
];

pub(super) static SFTP: &[Key] = &[
    must("host", Text, "name or address"),
    key("port", Whole(1), "default 22"),
    must("username", Text, "the account"),
    key("private_key", Section(SECRET), "a private key in OpenSSH or PEM form"),
    key("passphrase", Section(SECRET), "the key's passphrase"),
    key("password", Section(SECRET), "a password, alone or beside the key"),
    key("host_key", Text, "the server's key, as `SHA256:…`"),
    key("known_hosts", Text, "a known_hosts file"),
    must("path", Text, "a path, or a glob in its last part"),
    TAKE,
    key("settle", Duration, "size and modification time must have stood still this long; default 60s"),
    MAX_AGE,
    DONE_MARKER,
    AFTER_SUCCESS,
];

pub(super) static MOVE: &[Key] =
    &[must("move_to", Text, "a folder of the same place; no file there is overwritten")];

pub(super) static CSV: &[Key] = &[
    key("delimiter", Text, "one character between cells; found among `,`, `;`, `|` and the tab when not set"),
    key(
        "encoding",
        Text,
        "`auto`, which is the default, or a name such as `utf-8`, `windows-1252`, `utf-16le`",
    ),
    key("header_row", Whole(1), "the line of the header; default 1"),
    key("trailer", Section(TRAILER), "the line after the last person that proves that the file is whole"),
];

pub(super) static XLSX: &[Key] = &[
    key("sheet", Text, "the sheet's name; default the first one that is shown"),
    key("header_row", Whole(1), "the row of the header; default 1"),
];

pub(super) static DECRYPT: &[Key] = &[
    must("private_key", Section(SECRET), "the private key that the files are encrypted for, armored"),
    key("passphrase", Section(SECRET), "the private key's passphrase"),
    key(
        "signed_by",
        Section(SECRET),
        "the sender's public key, armored; a file without its signature is refused",
    ),
];

pub(super) static TRAILER: &[Key] = &[
    must("starts_with", Text, "how the line's first cell begins"),
    key("count_column", Whole(1), "the column that holds the number of rows"),
];

static SUBMIT: &[&str] = &["always", "when_changed"];

pub(super) static FEED: &[Key] = &[
    must("sources", List(&Text), "all must be read whole, or nothing is submitted"),
    key("group", Text, "the external_reference_id of the one group"),
    key("groups", Section(GROUPS), "how rows find their group"),
    key("guard", Section(GUARD), "the limits within which a change passes without a person"),
    key("submit", Choice(SUBMIT), "whether an unchanged roster is submitted; default always"),
    key("resync_after", Duration, "with when_changed: an unchanged roster goes again after this; default 7d"),
    key("schedule", Section(SCHEDULE), "when the feed is run by itself"),
    key("alerts", Section(FEED_ALERTS), "who is told of this feed, instead of the general recipients"),
];

pub(super) static DEFAULTS: &[Key] = &[
    key("guard", Section(GUARD), "the limits within which a change passes without a person"),
    key("submit", Choice(SUBMIT), "whether an unchanged roster is submitted; default always"),
    key("resync_after", Duration, "with when_changed: an unchanged roster goes again after this; default 7d"),
    key("schedule", Section(SCHEDULE), "when feeds are run by themselves"),
];

pub(super) static SCHEDULE: &[Key] = &[
    key(
        "cron",
        Text,
        "minute, hour, day of the month, month, day of the week; without it the feed is never run by itself",
    ),
    key("timezone", Text, "whose clock and whose today counts, such as America/New_York"),
    key("jitter", Duration, "each run begins up to this much later; default 0s"),
    key("catch_up", Flag, "one run makes up for those that were missed; default true"),
];

pub(super) static GROUPS: &[Key] = &[
    key("all", Text, "every row belongs to this group"),
    key("by", Text, "the column whose value names the group"),
    key("map", Named(&Text), "value to external_reference_id"),
    key("as_is", Flag, "the column's value is the external_reference_id"),
    key("unmatched", Choice(&["hold", "omit"]), "what a row means that names no listed group; default hold"),
    key("create_missing", Flag, "create an unknown group, after a person approved it; default false"),
];

static LIMIT_SHAPES: &[Shape] = &[Section(LIMIT), Whole(0), Share];

const fn limit(name: &'static str, doc: &'static str) -> Key {
    Key { name, shape: AnyOf(LIMIT_SHAPES), required: false, doc }
}

pub(super) static LIMIT: &[Key] = &[
    key("share", Share, "of the covered members, rounded down; default 0%"),
    key("people", Whole(0), "default 0"),
];

pub(super) static ROWS: &[Key] = &[
    key("share", Share, "of the rows of the last accepted read, rounded down; default 0%"),
    key("rows", Whole(0), "default 0"),
];

pub(super) static GUARD: &[Key] = &[
    limit("absent", "gone from the source without a word; default { share: 5%, people: 1 }"),
    limit("ended", "the row says that they have left; default { share: 20%, people: 3 }"),
    limit("ineligible", "`when` is false, or the start lies ahead; default { share: 5%, people: 1 }"),
    limit("moved", "to another group of the feed; default { share: 20%, people: 3 }"),
    limit("removed_in_7d", "all removals together; default { share: 25%, people: 4 }"),
    limit("absent_in_30d", "absent ones together; default { share: 10%, people: 3 }"),
    limit("added", "new members; default { share: 50%, people: 10 }"),
    limit("plan_changes", "members whose plan would change; default { share: 10%, people: 3 }"),
    limit("invalid", "rows that cannot be used; default { share: 5%, people: 3 }"),
    limit("renamed_ids", "the same person under another reference_id; default 0"),
    limit("changed_people", "another person under the same reference_id; default 0"),
    key(
        "fewer_rows",
        AnyOf(&[Section(ROWS), Whole(0), Share]),
        "the source shrank; default { share: 10%, rows: 3 }",
    ),
    key("blank_column", Share, "a mapped column's filled share fell by this much; default 20%"),
    key("min_members", Whole(1), "the smallest roster that may be submitted; default 1"),
    key("first_sync", Choice(&["hold", "submit"]), "a group never synced before; default hold"),
    key(
        "invalid_rows",
        Choice(&["carry_forward", "hold"]),
        "a covered member's unusable row; default carry_forward",
    ),
    key("carry_forward_for", Duration, "then the group is held; default 90d"),
    key("approval_expires", Duration, "default 72h"),
];
