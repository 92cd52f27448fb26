//! The HTML part: one column that fits a phone, without pictures, styles inline because mail programs drop the rest.
//! Everything but the page's own two colours is made of them (half transparent), so that a dark page needs two lines,
//! and a program that drops these shows a light one.

use super::letter::{Block, Item, Letter, Person, Section, Step};

const PAGE: &str = "margin:0;padding:16px;background:#ffffff;color:#1c2430;font-family:-apple-system,\
    'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.45;\
    -webkit-text-size-adjust:100%";
const DARK: &str =
    "@media (prefers-color-scheme:dark){body{background:#14181f!important;color:#e6e9ee!important}}";
const COLUMN: &str = "max-width:640px;margin:0 auto;word-break:break-word;overflow-wrap:anywhere";
const FIRST: &str = "margin:0 0 16px 0;font-size:18px;font-weight:600";
const HEADLINE: &str = "margin:24px 0 8px 0;padding-top:12px;border-top:2px solid #8a94a3;font-size:17px";
const TITLE: &str = "margin:16px 0 4px 0;font-size:14px;opacity:0.75;font-weight:600";
const PLAIN: &str = "margin:0 0 8px 0";
const COMMAND: &str = "margin:0 0 6px 0;padding:8px 10px;background:#f1f3f6;background:rgba(127,140,160,0.16);border-radius:4px;font-family:Menlo,\
    Consolas,monospace;font-size:14px;white-space:pre-wrap";
const CODE: &str = "font-family:Menlo,Consolas,monospace;font-size:0.92em";
const LIST: &str = "margin:0 0 8px 0;padding-left:20px";
const FACTS: &str = "margin:16px 0 0 0;font-size:13px;opacity:0.75";
const FOOTER: &str =
    "margin:24px 0 0 0;padding-top:8px;border-top:1px solid #8a94a3;font-size:13px;opacity:0.75";

/// The mail as an HTML page. Every text is escaped here and nowhere else.
pub(super) fn render(letter: &Letter) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.push_str(&format!("<style>{DARK}</style>\n"));
    out.push_str(&format!("<title>{}</title>\n</head>\n", escape(&letter.subject)));
    out.push_str(&format!("<body style=\"{PAGE}\">\n<div style=\"{COLUMN}\">\n"));
    element(&mut out, "p", FIRST, &prose(&letter.first));
    if let Some(several) = &letter.several {
        element(&mut out, "p", PLAIN, &prose(several));
    }
    for block in &letter.blocks {
        render_block(&mut out, block);
    }
    for section in &letter.sections {
        if letter.several.is_some() {
            element(&mut out, "h2", HEADLINE, &escape(&section.headline));
        }
        render_section(&mut out, section);
    }
    if !letter.more.is_empty() {
        element(&mut out, "h3", TITLE, "Also");
        list(&mut out, letter.more.iter().map(|headline| escape(headline)));
    }
    element(&mut out, "p", FOOTER, &prose(&letter.footer));
    out.push_str("</div>\n</body>\n</html>\n");
    out
}

fn render_block(out: &mut String, block: &Block) {
    element(out, "h2", HEADLINE, &escape(&block.title));
    if let Some(note) = &block.note {
        element(out, "p", PLAIN, &prose(note));
    }
    if !block.items.is_empty() {
        list(out, block.items.iter().map(item));
    }
}

fn item(item: &Item) -> String {
    let command = item.command.as_ref().map_or_else(String::new, |command| {
        format!("<br>\n<code style=\"{CODE}\">{}</code>", escape(command))
    });
    format!("<b>{}</b> {}{command}", escape(&item.lead), prose(&item.text))
}

fn render_section(out: &mut String, section: &Section) {
    for step in &section.steps {
        match step {
            Step::Say(text) => element(out, "p", PLAIN, &prose(text)),
            Step::Type(command) => element(out, "div", COMMAND, &escape(command)),
        }
    }
    if let Some(standing) = &section.standing {
        element(out, "p", PLAIN, &prose(standing));
    }
    element(out, "h3", TITLE, "What happened");
    element(out, "p", PLAIN, &prose(&section.happened));
    if let Some(means) = section.means {
        element(out, "h3", TITLE, "What it means");
        element(out, "p", PLAIN, &prose(means));
    }
    if !section.counts.is_empty() {
        element(out, "h3", TITLE, "Numbers");
        list(out, section.counts.iter().map(|(label, number)| format!("{}: <b>{number}</b>", escape(label))));
    }
    if !section.people.is_empty() {
        let title = format!("Who is affected ({})", section.affected);
        element(out, "h3", TITLE, &title);
        list(out, section.people.iter().map(person));
        if let Some(others) = &section.others {
            element(out, "p", PLAIN, &escape(others));
        }
    }
    if !section.facts.is_empty() {
        let facts: Vec<String> =
            section.facts.iter().map(|(name, value)| format!("{name}: {}", escape(value))).collect();
        element(out, "p", FACTS, &facts.join("<br>\n"));
    }
}

fn person(person: &Person) -> String {
    let row = person.row.as_ref().map_or_else(String::new, |row| format!(", {}", escape(row)));
    format!("<b>{}</b>{row}: {}", escape(&person.who), prose(&person.what))
}

fn element(out: &mut String, tag: &str, style: &str, inner: &str) {
    out.push_str(&format!("<{tag} style=\"{style}\">{inner}</{tag}>\n"));
}

fn list(out: &mut String, items: impl Iterator<Item = String>) {
    out.push_str(&format!("<ul style=\"{LIST}\">\n"));
    for item in items {
        out.push_str(&format!("<li>{item}</li>\n"));
    }
    out.push_str("</ul>\n");
}

/// Escaped text in which what stands between two backticks is set as code.
fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, code, after)) = rest
        .split_once('`')
        .and_then(|(before, tail)| tail.split_once('`').map(|(code, after)| (before, code, after)))
    {
        out.push_str(&escape(before));
        out.push_str(&format!("<code style=\"{CODE}\">{}</code>", escape(code)));
        rest = after;
    }
    out.push_str(&escape(rest));
    out
}

/// Safe as text and inside a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_name_is_shown_and_not_obeyed() {
        assert_eq!(
            prose("look at `<img src=x onerror=\"a('b')\">` & go"),
            format!(
                "look at <code style=\"{CODE}\">&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;</code> &amp; go"
            )
        );
        assert_eq!(prose("one ` alone <b>"), "one ` alone &lt;b&gt;");
    }
}
