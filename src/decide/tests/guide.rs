//! The words of `docs/guard.md`, for operators. Its tables come from the tests of `table`.

/// One limit, for somebody who has a mail about it.
pub(super) struct Guide {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) means: &'static str,
    pub(super) causes: &'static str,
    pub(super) remedy: &'static str,
}

pub(super) const BEFORE: &str = "\
# The guard

<!-- Written by a test from the cases that it tests (src/decide/tests/table.rs). Do not edit it by hand. -->

A roster replaces whoever Vitable covers in a group: who is missing in it loses coverage. So rosterd looks at each
change before it is sent. What is within the limits goes out by itself. What is beyond them is **held**: nothing of
that group is sent, everybody stays covered as they are, and a mail says what was found.

Each limit has the form `{ share: 5%, people: 1 }`. **The larger of the two passes**: a share is of the members who
are covered now, rounded down. A bare number is `people`, a bare share has `people: 0`. The limits stand below
`guard:` of a feed or of `defaults`. `rosterd plan FEED` shows what they say of today's file and sends nothing.

## What to type

1. `rosterd show RUN` names everybody whom the hold is about, by `reference_id`. The number of the run is in the mail.
2. If it is right: `rosterd approve RUN GROUP --reason \"why\"`. The file is read again at once. An approval releases
   what was held, or less of it, and nothing else; more than that is held again.
3. If it is wrong: correct it at the source. The next run reads the new file, and the hold ends by itself. Or
   `rosterd reject RUN GROUP --reason \"why\"`: nobody is asked again, and nothing is sent for the group, while the
   change stays the same.

An approval lasts for `approval_expires`, 72 hours unless you say otherwise. A removal that a person approved is not
counted in the limits over 7 and 30 days.

## How many pass

The largest number that passes without a person, with the limits that a feed has unless you change them. One more is
held. `fewer_rows` counts rows of the source, the others members of the group.
";

pub(super) const AFTER: &str = "
## What no limit is about

- **`nameless_rows`**: a row has no valid `reference_id`. It could be anybody, so nobody goes missing without approval
  while there is one. Fill in the column at the source.
- **`unrouted`**: the group value of a covered member is blank or in no list. He stays covered. Correct the value, or
  add it to `groups`.
- **`duplicates`**: several rows of one `reference_id` contradict each other. Remove all but one at the source.
- **`first_sync`**: rosterd has never synced this group, or its state was restored, and no call tells who is covered
  there. The approval is for exactly this roster.
- **`invalid_rows: hold`** and **`carry_forward_for`**: rows of covered members cannot be used, and you asked to be
  asked, or it has been so for too long. Correct the rows.
- **`min_members`** (1): the roster is smaller. A roster of nobody is never sent, whatever anybody approves.
- **`max_members_per_sync`** (5000, below `vitable:`): ask Vitable before the first roster of that size, then raise it.
- **`blank_column`** (20%): a mapped column is filled in this much less often than in the last accepted file. Somebody
  has emptied or renamed it. The approval is for this file alone.
";

pub(super) const RULES: &[Guide] = &[
    Guide {
        name: "absent",
        default: "5%, 1 person",
        means: "Members have no row in the file any more, and nothing says that they have left.",
        causes: "an export with a filter, a page or a division missing; a file that was cut off; people who were deleted from the HR system instead of being terminated.",
        remedy: "ask who makes the export whether these people have left. Approve if they have; otherwise have the export repaired.",
    },
    Guide {
        name: "ended",
        default: "20%, 3 people",
        means: "The rows say that these members have left: their status is in `ended`, or `ends_on` has passed.",
        causes: "the end of a season, a site that closed, a layoff. Or a status column that was filled with one value, or a new status whose meaning changed.",
        remedy: "ask HR whether so many have left. Approve if they have.",
    },
    Guide {
        name: "ineligible",
        default: "5%, 1 person",
        means: "The rows are there, and `when` is false for them or `starts_on` lies ahead.",
        causes: "a column that `when` looks at was emptied or renamed its values; a date column in another format; a yearly change of hours.",
        remedy: "look at the column that `when` and `starts_on` read. Approve if these people are to lose coverage.",
    },
    Guide {
        name: "moved",
        default: "20%, 3 people",
        means: "The rows of these members name another group of the feed. They leave this group, and join the other one as soon as this one has finished.",
        causes: "a reorganisation; a division that was renamed to the name of another one; a group column that was sorted or shifted.",
        remedy: "ask HR whether so many have changed their group. Approve if they have. While the other group is held itself, nobody leaves: approve both.",
    },
    Guide {
        name: "removed_in_7d",
        default: "25%, 4 people",
        means: "With those who leave by this roster, too many have left within 7 days, in whatever way. The share is of the largest roster in that time. Who was removed with an approval, and who moved to another group, is not counted; nobody is counted twice.",
        causes: "each day's file loses a few people: an export that grows shorter day by day, or a layoff in small steps.",
        remedy: "`rosterd runs FEED` lists the runs, and `rosterd show RUN` who left by each. If all of them were right, approve. The hold is about those of today alone.",
    },
    Guide {
        name: "absent_in_30d",
        default: "10%, 3 people",
        means: "The same for members without a row, within 30 days.",
        causes: "slow erosion: people vanish from the export one by one. It stays within `absent` each day, and would empty the group within months.",
        remedy: "as for `removed_in_7d`. Ask HR why leavers are not marked as such: with an `ended` status they would not be counted here.",
    },
    Guide {
        name: "renamed_ids",
        default: "0",
        means: "Somebody would be removed, and somebody with the same name and date of birth added under another `reference_id`, in this or another group of the feed. Most likely it is the same person under a new id. Both groups are held.",
        causes: "the HR system was replaced or its ids were changed; the mapping reads `reference_id` from another column; a rehire with a new number.",
        remedy: "if the ids are to be the old ones, correct the column or the mapping. If the new ones are right, approve: the old membership ends and a new one starts. When two groups are held for it, approve both.",
    },
    Guide {
        name: "changed_people",
        default: "0",
        means: "Members keep their `reference_id`, and their date of birth and a name (first or last) change together: the row is about another person. One of the two alone is taken for a correction. Nobody is added or removed by it.",
        causes: "one column of a sheet was sorted alone, or a block was shifted by a row; ids were given out again after a migration.",
        remedy: "compare a few rows with the HR system. Have the file made again. Approve only if the id really belongs to somebody else now: he gets the old one's membership.",
    },
    Guide {
        name: "added",
        default: "50%, 10 people",
        means: "So many people are new to the group. Whoever Vitable refused before is not counted again.",
        causes: "a new site or an acquisition. Or another client's file, or an export without its filter.",
        remedy: "look at a few of them in the HR system. Approve if they are to be covered.",
    },
    Guide {
        name: "plan_changes",
        default: "10%, 3 people",
        means: "So many members have another plan than last accepted. Vitable does not apply it to somebody who is covered.",
        causes: "open enrollment, a renewal of all plans, a changed plan list in the mapping.",
        remedy: "ask Vitable how the plans are to be changed. Approve to send the roster with the new ones.",
    },
    Guide {
        name: "invalid",
        default: "5%, 3 people",
        means: "So many rows cannot be used: of members, who are sent as last accepted, and of new people, who are left out. Rows without a `reference_id` count as well.",
        causes: "a required column lost its values or has another format.",
        remedy: "`rosterd show RUN` lists each row with its column and rule, for HR. Approve to send the roster without these changes.",
    },
    Guide {
        name: "fewer_rows",
        default: "10%, 3 rows",
        means: "The source has so many rows less than at its last accepted read. Every group that the read is for is held.",
        causes: "a file that was cut off, an export with a filter, yesterday's file of another client.",
        remedy: "ask who makes the export. An approval is for this file alone, and makes it the new reference.",
    },
];
