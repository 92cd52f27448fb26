//! Words for what concerns this host, its state, its configuration and the way to Vitable.

use super::Words;

pub(super) const OTHER_LEDGER: Words = Words {
    subject: "state belongs to another organization",
    tally: &[],
    happened: "",
    means: "Nothing is submitted by any feed: one organization's rosters must not replace another's. Nobody has lost \
            coverage.",
    remedy: &[
        "Put back the former Vitable settings or API key, or give the other organization a `state_dir` of its own.",
        "rosterd check",
    ],
    over_subject: "state and organization agree",
    over: "the configuration reaches the organization that the state directory belongs to.",
};

pub(super) const STATE_DAMAGED: Words = Words {
    subject: "rosterd does not run, its state cannot be used",
    tally: &[],
    happened: "rosterd cannot use its state directory, and does nothing without it.",
    means: "No feed runs and nothing is submitted. Nobody has lost coverage; but new people wait for coverage, people who left \
            stay covered, and rosterd tells of nothing else before this is settled.",
    remedy: &[
        "Mend rosterd's state on its host today: until then no feed runs at all.",
        "rosterd state check",
        "systemctl restart rosterd",
        "rosterd status",
    ],
    over_subject: "rosterd runs, its state can be used",
    over: "rosterd has run over its state directory for an hour.",
};

pub(super) const DEFECT: Words = Words {
    subject: "rosterd broke down",
    tally: &[],
    happened: "rosterd ended because of a defect of its own. systemd starts it again; what Vitable took is known.",
    means: "Nobody has lost coverage. While it goes well after the new start, nothing else is needed; if it breaks down again \
            and again, no feed gets on: new people wait, and people who left stay covered.",
    remedy: &[
        "See whether rosterd runs again, and report the place that its journal names as a defect.",
        "rosterd status",
        "journalctl -u rosterd --since yesterday",
    ],
    over_subject: "rosterd runs again",
    over: "rosterd has run for an hour without breaking down.",
};

pub(super) const DISK: Words = Words {
    subject: "state cannot be written",
    tally: &[],
    happened: "rosterd could not write to its state directory, and submits nothing that it could not record.",
    means: "No feed gets on before this is settled. Nobody has lost coverage; new people wait, and people who left stay \
            covered. A request that Vitable took is kept in the reserve file.",
    remedy: &[
        "Make room on the disk of rosterd's state directory, or let rosterd's user write there.",
        "df -h",
        "rosterd status",
        "rosterd sync --all",
    ],
    over_subject: "state can be written again",
    over: "the state directory can be written again.",
};

pub(super) const CLOCK_WRONG: Words = Words {
    subject: "clock wrong",
    tally: &[],
    happened: "",
    means: "Nothing is submitted, because a wrong day begins and ends coverage wrongly. Nobody has lost coverage.",
    remedy: &[
        "Set this host's clock, and see that its time service runs.",
        "rosterd check",
        "rosterd sync --all",
    ],
    over_subject: "clock right again",
    over: "the clocks agree again.",
};

pub(super) const CREDENTIAL: Words = Words {
    subject: "credential refused",
    tally: &[],
    happened: "",
    means: "Nothing is submitted while this lasts; the daemon tries once an hour, a typed `rosterd sync` at once. Nobody has lost coverage; new \
            people wait, and people who left stay covered. Requests that Vitable took are not given up.",
    remedy: &[
        "Put a valid Vitable API key where `vitable.api_key` points: Vitable refuses the present one.",
        "rosterd check --connect",
        "A secret in a file is read again by itself. To try at once:",
        "rosterd sync --all",
    ],
    over_subject: "credential accepted",
    over: "the credential was accepted.",
};

pub(super) const KEY_MAY_NOT_SUBMIT: Words = Words {
    subject: "API key may not submit",
    tally: &[],
    happened: "Vitable lets the API key read groups and plans.",
    means: "Nothing is submitted while this lasts; the daemon tries with one feed each hour. Nobody has lost coverage; \
            new people wait, and people who left stay covered.",
    remedy: &[
        "Ask Vitable to let the key of `vitable.api_key` sync group members, or put another key there.",
        "A secret in a file is read again by itself. To try at once:",
        "rosterd sync --all",
    ],
    over_subject: "API key may submit",
    over: "Vitable takes rosters with this API key.",
};

pub(super) const API_UNREACHABLE: Words = Words {
    subject: "Vitable not reachable",
    tally: &[],
    happened: "",
    means: "Nothing new was submitted. Nobody has lost coverage; new people wait, and people who left stay covered. \
            The daemon tries again each few minutes, a typed `rosterd sync` at once.",
    remedy: &[
        "Check this host's network, proxy and firewall; if they are well, wait for the next run.",
        "rosterd check --connect",
    ],
    over_subject: "Vitable reachable again",
    over: "Vitable's API answers again.",
};

pub(super) const NOT_SENT: Words = Words {
    subject: "Vitable takes no rosters",
    tally: &[],
    happened: "Vitable's API answers.",
    means: "Nothing of that roster was sent. Nobody has lost coverage; new people wait, and people who left stay covered. \
            The daemon tries again with one feed each few minutes, a typed `rosterd sync` at once.",
    remedy: &[
        "Wait: it is tried again by itself. If it lasts for hours, ask Vitable, and look at this host's network.",
        "rosterd check --connect",
    ],
    over_subject: "Vitable takes rosters again",
    over: "Vitable took a roster.",
};

pub(super) const CONFIG_WRONG: Words = Words {
    subject: "configuration wrong",
    tally: &[],
    happened: "The configuration does not fit what was found.",
    means: "Nothing was submitted for what is named below, so nobody has lost coverage. New people wait, and people \
            who left stay covered.",
    remedy: &[
        "Correct the configuration of {feed} or what it names at Vitable: the two do not fit.",
        "rosterd check --connect",
        "rosterd sync {feed}",
    ],
    over_subject: "configuration right again",
    over: "the configuration fits again.",
};

pub(super) const RELOAD_REFUSED: Words = Words {
    subject: "new configuration refused",
    tally: &[],
    happened: "rosterd was told to read its configuration again, and the new one cannot be used.",
    means: "rosterd goes on with the configuration of before: no feed has stopped, and nothing of the new one counts yet. \
            What cannot change while rosterd runs needs a restart; anything else would make a restart fail.",
    remedy: &[
        "Correct rosterd's configuration and have it read again: the new one is refused, the old one counts.",
        "rosterd check",
        "systemctl reload rosterd",
    ],
    over_subject: "new configuration taken",
    over: "the configuration was read again and counts now.",
};

pub(super) const UNFINISHED_RUN: Words = Words {
    subject: "run did not end",
    tally: &[],
    happened: "A run of {feed} was cut off, was begun again when rosterd started, and was cut off once more.",
    means: "Nothing that Vitable took is lost. But the newest export is not sent before the next schedule: new people \
            wait for coverage, and people who left stay covered.",
    remedy: &[
        "Find out why rosterd was stopped (memory, disk, restarts), then run {feed} by hand.",
        "journalctl -u rosterd --since yesterday",
        "rosterd sync {feed}",
    ],
    over_subject: "run ended",
    over: "a run of {feed} came to its end again.",
};

pub(super) const MAIL_UNDELIVERABLE: Words = Words {
    subject: "mails do not arrive",
    tally: &[("mails_waiting", "mail waits", "mails wait")],
    happened: "Mails of rosterd did not reach everybody.",
    means: "The work goes on, and nobody has lost coverage by this. But what rosterd has to tell, such as a change that \
            waits for a person, comes late or not at all to whoever is named below.",
    remedy: &[
        "Correct the recipient or the mail server in `alerts` of the configuration: mails do not arrive.",
        "rosterd check",
        "A mail that waits is tried again for a week, at least once an hour. To see what the mail server says:",
        "rosterd alert-test",
        "What may have been missed:",
        "rosterd status",
    ],
    over_subject: "mails arrive again",
    over: "mails are taken again.",
};
