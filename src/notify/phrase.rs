//! Small pieces of text: names made safe to show, commands safe to paste, templates filled.

use super::Incident;

/// The text on one line, without control characters and without the characters that turn the direction of
/// writing or take no room: a group's name comes from an export, and must not make a mail say something else.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{2028}' | '\u{2029}' => ' ',
            '\u{ad}' | '\u{61c}' | '\u{feff}' => '\u{fffd}',
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => '\u{fffd}',
            _ if c.is_control() => ' ',
            _ => c,
        })
        .collect()
}

/// Whether a step is something to type.
pub(super) fn is_command(step: &str) -> bool {
    ["rosterd ", "journalctl ", "systemctl ", "df "].iter().any(|start| step.starts_with(start))
}

/// Replaces `{group}`, `{feed}`, `{run}`, `{request}` and `{trace}`. In a sentence a name stands in backticks,
/// in a command as one shell word. None when the incident lacks what the text needs: a command that is not
/// exact is worse than none.
pub(super) fn fill(template: &str, incident: &Incident) -> Option<String> {
    let command = is_command(template);
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&value(name, incident, command)?);
        rest = tail;
    }
    filled.push_str(rest);
    Some(filled)
}

fn value(name: &str, incident: &Incident, command: bool) -> Option<String> {
    let (known, otherwise) = match name {
        "group" => (incident.group.as_ref().map(|group| group.as_str().to_owned()), Some("the group")),
        "feed" => (incident.feed.as_ref().map(|feed| feed.as_str().to_owned()), Some("the feed")),
        "run" => return incident.run.map(|run| run.to_string()),
        "request" => (incident.request_id.as_ref().map(|id| id.as_str().to_owned()), None),
        "trace" => (incident.trace_id.clone(), None),
        _ => return None,
    };
    match (known, command) {
        (Some(known), true) => Some(shell_word(&clean(&known))),
        (Some(known), false) => Some(format!("`{}`", clean(&known))),
        (None, true) => None,
        (None, false) => otherwise.map(str::to_owned),
    }
}

/// One word of a command line, whatever is in it. What begins with a hyphen is kept from being an option, so
/// names stand at the end of our commands.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    let word = if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    };
    if text.starts_with('-') { format!("-- {word}") } else { word }
}

/// At most `limit` characters, with dots where something was cut.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(3)).collect();
    short.push_str("...");
    short
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;
    use crate::roster::{FeedName, GroupRef, RunId};

    fn incident(group: &str) -> Incident {
        Incident {
            feed: Some(FeedName::new("acme").unwrap()),
            group: Some(GroupRef::new(group).unwrap()),
            run: Some(RunId(41)),
            ..Incident::new(Kind::Held, "")
        }
    }

    #[test]
    fn a_command_can_be_pasted_whatever_the_group_is_called() {
        let cases = [
            ("acme-east", "rosterd approve 41 acme-east"),
            ("Acme East", "rosterd approve 41 'Acme East'"),
            ("x; rm -rf ~", "rosterd approve 41 'x; rm -rf ~'"),
            ("$(reboot)`id`", "rosterd approve 41 '$(reboot)`id`'"),
            ("O'Hara", r"rosterd approve 41 'O'\''Hara'"),
            ("--all", "rosterd approve 41 -- --all"),
            ("{run}", "rosterd approve 41 '{run}'"),
        ];
        for (group, expected) in cases {
            assert_eq!(fill("rosterd approve {run} {group}", &incident(group)).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_left_out_of_commands_and_spoken_of_in_sentences() {
        let bare = Incident::new(Kind::Held, "");
        assert_eq!(fill("rosterd show {run}", &bare), None);
        assert_eq!(fill("rosterd sync {feed}", &bare), None);
        assert_eq!(fill("ask about {request}", &bare), None);
        assert_eq!(fill("look at {group} of {feed}", &bare).unwrap(), "look at the group of the feed");
        assert_eq!(fill("look at {group} of {feed}", &incident("a b")).unwrap(), "look at `a b` of `acme`");
    }

    #[test]
    fn nothing_invisible_is_left_in_a_text() {
        assert_eq!(clean("a\r\nb\u{202e}c\u{200b}d\u{2028}e"), "a  b\u{fffd}c\u{fffd}d e");
        assert_eq!(cut("abcdefgh", 6), "abc...");
        assert_eq!(cut("äbcdef", 6), "äbcdef");
    }
}
