//! Words for what can happen between a roster and Vitable's answer.

use super::Words;

pub(super) const HELD: Words = Words {
    subject: "held",
    tally: &[("removed", "removal waits", "removals wait"), ("added", "addition waits", "additions wait")],
    happened: "The export was read whole, but the change to {group} is more than may go without a person.",
    means: "Nobody has lost coverage. Until you decide nothing is sent for this group: new people wait for \
            coverage, and people who left stay covered and are paid for.",
    remedy: &[
        "Look at the change to {group}, then approve or reject it.",
        "rosterd show {run}",
        "rosterd approve {run} --reason \"WHY\" {group}",
        "rosterd reject {run} --reason \"WHY\" {group}",
        "An approval is good for this change, not for a larger one. If the export is wrong, do nothing here and have \
         it corrected: the next run decides afresh.",
    ],
    over_subject: "no longer held",
    over: "{group} is no longer held.",
};

pub(super) const APPROVAL_EXPIRED: Words = Words {
    subject: "approval expired, the change waits again",
    tally: &[],
    happened: "A change to {group} that was approved waits again, because the approval is no longer good (`approval_expires`).",
    means: "The change has not gone out, though somebody approved it. Nobody has lost coverage: new people wait for \
            coverage, and people who left stay covered and are paid for, until it is approved again.",
    remedy: &[
        "Approve the change to {group} once more, or reject it: the approval came to nothing.",
        "rosterd show {run}",
        "rosterd approve {run} --reason \"WHY\" {group}",
        "rosterd reject {run} --reason \"WHY\" {group}",
        "An approval has its run begin at once. To see why that one did not get through:",
        "rosterd runs {feed}",
    ],
    over_subject: "no expired approval",
    over: "no change to {group} waits any more after its approval expired.",
};

pub(super) const REFUSED: Words = Words {
    subject: "submit refused",
    tally: &[],
    happened: "Nothing of the roster of {group} was applied.",
    means: "Everybody keeps what the last finished sync gave. Until a roster is taken, new people wait for \
            coverage, and people who left stay covered.",
    remedy: &[
        "Correct the rows or fields that Vitable refuses for {group}, then run the feed again.",
        "rosterd show {run}",
        "rosterd sync {feed}",
        "If Vitable's words do not help, ask its support about trace_id {trace}.",
    ],
    over_subject: "roster taken",
    over: "Vitable has taken the roster of {group}.",
};

pub(super) const MEMBERS_FAILED: Words = Words {
    subject: "members not applied",
    tally: &[("failed", "person", "people")],
    happened: "Vitable finished the sync of {group}, but did not apply the people below. Everybody else was applied.",
    means: "Whoever should have been added has no coverage; whoever should have been removed is still covered and \
            paid for. rosterd tries them again with each sync.",
    remedy: &[
        "Settle for each of these people of {group} why Vitable did not apply them.",
        "rosterd show {run}",
        "Someone whom another organization still covers has to be released there first. A plan that is not found is \
         corrected in the export or in the configuration.",
    ],
    over_subject: "every member applied",
    over: "Vitable has applied every member of {group}.",
};

pub(super) const COVERAGE_LOST: Words = Words {
    subject: "urgent: people are not covered",
    tally: &[("failed", "person", "people")],
    happened: "The last finished sync of {group} had the people below covered. Vitable has now tried to add them \
               afresh, and could not.",
    means: "They have no coverage, though they should have and nobody knew. Something ended it outside rosterd. rosterd \
            tries to add them with each sync of the group.",
    remedy: &[
        "Ask Vitable's support today to restore the coverage of these people in {group}.",
        "Give them the request_id {request}.",
        "rosterd show {run}",
        "Tell the people below until it is settled, so that nobody stands in a clinic uncovered. To try again at once:",
        "rosterd sync {feed}",
    ],
    over_subject: "nobody is without coverage unawares",
    over: "nobody in {group} whom rosterd had for covered fails to be added any more.",
};

pub(super) const STUCK: Words = Words {
    subject: "request stuck at Vitable",
    tally: &[],
    happened: "Vitable took the roster of {group}, and rosterd goes on asking whether it has finished.",
    means: "Nobody knows yet which additions and removals are done. No other roster of this group is sent meanwhile.",
    remedy: &[
        "Ask Vitable's support why the sync of {group} does not finish.",
        "Give them the request_id {request}.",
        "rosterd status",
    ],
    over_subject: "request finished",
    over: "Vitable has finished the sync of {group}.",
};

pub(super) const TIMED_OUT: Words = Words {
    subject: "request given up",
    tally: &[],
    happened: "Vitable took the roster of {group}, and rosterd has stopped waiting for its end.",
    means: "Its additions and removals may or may not be done. The next scheduled run sends the roster afresh; \
            until it is finished, rosterd counts everybody on either roster as covered. The old request is looked at \
            with each `rosterd sync` for seven days.",
    remedy: &[
        "Ask Vitable's support what became of the sync of {group}.",
        "Give them the request_id {request}.",
        "rosterd status",
    ],
    over_subject: "group in step again",
    over: "{group} is in step with Vitable again.",
};

pub(super) const OUTCOME_UNKNOWN: Words = Words {
    subject: "outcome unknown",
    tally: &[],
    happened: "The roster of {group} was on its way to Vitable.",
    means: "Its additions and removals may or may not be done. rosterd counts everybody on either roster as covered, \
            waits for `poll.stuck_after`, sends the newest roster afresh, and once more with the run after it.",
    remedy: &[
        "Wait: rosterd sends the newest roster of {group} afresh with the next two runs of {feed}.",
        "rosterd status",
        "Without a schedule nothing runs by itself: then type this after `poll.stuck_after`, and once more when it has ended.",
        "rosterd sync {feed}",
        "If no mail follows that says it is over, ask Vitable's support what arrived for this group.",
        "rosterd show {run}",
    ],
    over_subject: "outcome known",
    over: "a later sync of {group} was finished by Vitable.",
};

pub(super) const UNFINISHED_MOVE: Words = Words {
    subject: "unfinished move, urgent",
    tally: &[("covered nowhere", "person is covered nowhere", "people are covered nowhere")],
    happened: "People were moved from one group of {feed} to another. The first group has let them go, and the second \
               one does not cover them yet.",
    means: "They have no coverage until the second group is submitted and finished. rosterd tries it first of all in \
            the next run of the feed.",
    remedy: &[
        "Run {feed} now; if it fails or is held, settle that first, because people are without coverage.",
        "rosterd sync {feed}",
        "rosterd show {run}",
    ],
    over_subject: "move finished",
    over: "Nobody waits any more for the end of a move within {feed}: they are covered again, or belong in no group.",
};

pub(super) const SECOND_WRITER: Words = Words {
    subject: "somebody else changes the group",
    tally: &[],
    happened: "Vitable's numbers for the finished sync of {group} are not those of the plan.",
    means: "Who is covered in this group is no longer certain, and two writers may remove each other's people. Its next \
            roster is held.",
    remedy: &[
        "Find out who else changes the members of {group} at Vitable, and stop it.",
        "rosterd show {run}",
        "Then look at the next roster of the group with care before you approve it.",
    ],
    over_subject: "numbers agree again",
    over: "a later sync of {group} was finished with the numbers of its plan.",
};

pub(super) const GROUP_CHANGED_ID: Words = Words {
    subject: "group has another id",
    tally: &[],
    happened: "",
    means: "Nothing is sent for this group, because the roster could reach another employer's people. Everybody keeps \
            the coverage they have; new people wait.",
    remedy: &[
        "Ask Vitable why the id of {group} has changed, and whether it is the same employer.",
        "If it is the same employer, accept the new id: the group is a first sync then, which waits for you.",
        "rosterd repin {group}",
        "Otherwise have Vitable give the `external_reference_id` to the right group; the next run goes on by itself.",
    ],
    over_subject: "group has its known id",
    over: "{group} has the id that rosterd knows.",
};

pub(super) const GROUP_UNKNOWN: Words = Words {
    subject: "group not found",
    tally: &[],
    happened: "",
    means: "Nothing is sent for this group. Who is covered stays covered; its new people wait for coverage.",
    remedy: &[
        "Make {group} at Vitable, or correct its name in the configuration or in the export.",
        "rosterd check",
        "rosterd sync {feed}",
    ],
    over_subject: "group found, or asked for no more",
    over: "{group} is found at Vitable, or no row of the feed names it any more.",
};

pub(super) const ORPHAN: Words = Words {
    subject: "group that no feed names",
    tally: &[("covered", "member stays covered", "members stay covered")],
    happened: "{group} has members.",
    means: "They stay covered and are paid for, and nobody is added or removed there, whoever leaves.",
    remedy: &[
        "Name {group} in a feed again, or empty it if nobody there shall be covered any more.",
        "rosterd status",
        "rosterd empty --reason \"WHY\" {group}",
    ],
    over_subject: "group named or empty again",
    over: "{group} is fed again, or has no members any more.",
};

pub(super) const NOT_EMPTIED: Words = Words {
    subject: "group not emptied",
    tally: &[],
    happened: "A person emptied {group}, and it is not known that Vitable has finished the empty roster.",
    means: "The group is retired, so no feed submits to it and no run tries it again. Its members may still be covered and \
            paid for.",
    remedy: &[
        "Empty {group} once more; after a lost answer no earlier than `poll.stuck_after`.",
        "rosterd status",
        "rosterd empty --reason \"WHY\" {group}",
        "If Vitable took the roster and does not finish, give its support the request_id {request}.",
        "If nobody there shall lose coverage after all, take it back:",
        "rosterd empty --undo --reason \"WHY\" {group}",
    ],
    over_subject: "group empty, or no longer retired",
    over: "{group} is empty at Vitable, or no longer retired.",
};

pub(super) const OLD_PLAN: Words = Words {
    subject: "members on an old plan",
    tally: &[("plan_changes", "person", "people")],
    happened: "",
    means: "They stay covered, on the plan that they were added with.",
    remedy: &[
        "Ask Vitable to change the plan of these people, or correct the plan in {feed}.",
        "rosterd show {run}",
    ],
    over_subject: "plans agree",
    over: "everybody in {group} is on the plan that the export names.",
};
