//! The plain text part.

use super::letter::{Block, Letter, Person, Section, Step};

/// Wider lines would have to be encoded, and a `.eml` file could not be read as it is.
const WIDTH: usize = 72;

/// The mail as plain text, wrapped, with commands left on one line each.
pub(super) fn render(letter: &Letter) -> String {
    let mut out = String::new();
    paragraph(&mut out, &letter.first);
    if let Some(several) = &letter.several {
        out.push('\n');
        paragraph(&mut out, several);
    }
    for block in &letter.blocks {
        render_block(&mut out, block);
    }
    for section in &letter.sections {
        if letter.several.is_some() {
            out.push('\n');
            wrapped(&mut out, &section.headline, "== ", "   ");
        }
        render_section(&mut out, section);
    }
    if !letter.more.is_empty() {
        out.push_str("\nAlso\n");
        for headline in &letter.more {
            wrapped(&mut out, headline, "- ", "  ");
        }
    }
    // The mark of a signature: mail programs fold what follows.
    out.push_str("\n-- \n");
    paragraph(&mut out, &letter.footer);
    out
}

fn render_block(out: &mut String, block: &Block) {
    out.push('\n');
    wrapped(out, &block.title, "== ", "   ");
    if let Some(note) = &block.note {
        paragraph(out, note);
    }
    for item in &block.items {
        wrapped(out, &format!("{} {}", item.lead, item.text), "- ", "  ");
        if let Some(command) = &item.command {
            out.push_str("      ");
            out.push_str(command);
            out.push('\n');
        }
    }
}

fn render_section(out: &mut String, section: &Section) {
    let mut typed = false;
    for step in &section.steps {
        match step {
            Step::Say(text) => {
                out.push('\n');
                paragraph(out, text);
                typed = false;
            }
            Step::Type(command) => {
                if !typed {
                    out.push('\n');
                }
                out.push_str("    ");
                out.push_str(command);
                out.push('\n');
                typed = true;
            }
        }
    }
    if let Some(standing) = &section.standing {
        out.push('\n');
        paragraph(out, standing);
    }
    out.push_str("\nWhat happened\n");
    paragraph(out, &section.happened);
    if let Some(means) = section.means {
        out.push_str("\nWhat it means\n");
        paragraph(out, means);
    }
    if !section.counts.is_empty() {
        out.push_str("\nNumbers\n");
        for (label, number) in &section.counts {
            wrapped(out, &format!("{label}: {number}"), "- ", "  ");
        }
    }
    if !section.people.is_empty() {
        out.push_str(&format!("\nWho is affected ({})\n", section.affected));
        for person in &section.people {
            wrapped(out, &line(person), "- ", "  ");
        }
        if let Some(others) = &section.others {
            wrapped(out, others, "  ", "  ");
        }
    }
    if !section.facts.is_empty() {
        out.push('\n');
        for (name, value) in &section.facts {
            out.push_str(&format!("{name}: {value}\n"));
        }
    }
}

fn line(person: &Person) -> String {
    match &person.row {
        Some(row) => format!("{}, {row}: {}", person.who, person.what),
        None => format!("{}: {}", person.who, person.what),
    }
}

fn paragraph(out: &mut String, text: &str) {
    wrapped(out, text, "", "");
}

/// Breaks at spaces; a word longer than a line stands alone on its own.
fn wrapped(out: &mut String, text: &str, start: &str, hang: &str) {
    out.push_str(start);
    let mut used = start.chars().count();
    let mut fresh = true;
    for word in text.split_whitespace() {
        let wide = word.chars().count();
        if !fresh && used + 1 + wide > WIDTH {
            out.push('\n');
            out.push_str(hang);
            used = hang.chars().count();
        } else if !fresh {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += wide;
        fresh = false;
    }
    out.push('\n');
}
