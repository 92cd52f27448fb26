//! A roster of people who do not exist: the same rows for the same number, on every host.

use std::io::{self, Write};

/// The columns of `config/demo`.
const HEADER: &str = "Employee ID,First Name,Last Name,Birth Date,Mobile Phone,Home Phone,Work Email,Plan,\
                      Street 1,Street 2,City,State,Zip,Status,Termination Date,Division";

const FIRST: [&str; 24] = [
    "Ada", "Bram", "Cleo", "Dov", "Elspeth", "Farid", "Greta", "Hugo", "Imani", "Jonas", "Katya", "Leander",
    "Mirela", "Noor", "Ottoline", "Piet", "Quentin", "Rosalind", "Soren", "Tamsin", "Ulrich", "Verity",
    "Wendell", "Zo\u{eb}",
];
const LAST: [&str; 24] = [
    "Quill",
    "Oakley",
    "Marsh",
    "Thornbury",
    "Vance",
    "Ashdown",
    "Pell",
    "Winterbourne",
    "Lark",
    "Sedge",
    "Holloway",
    "Fenwick",
    "Brook",
    "Castellane",
    "Dunmore",
    "Eastlake",
    "O'Farrow",
    "Garland",
    "Hartwell",
    "Ingram",
    "Juniper",
    "Kestrel-Lane",
    "Larkspur",
    "Moorcroft",
];
const STREETS: [&str; 12] = [
    "Elm Street",
    "Oak Avenue",
    "Mill Road",
    "North Pearl Street",
    "Harbor View Drive",
    "Church Lane",
    "Second Avenue",
    "Old Post Road",
    "Maple Court",
    "Juniper Hill Road",
    "River Street",
    "West 14th Street",
];
/// City, state and ZIP code.
const PLACES: [(&str, &str, &str); 10] = [
    ("Troy", "NY", "12180"),
    ("Albany", "NY", "12203"),
    ("Pittsburgh", "PA", "15222"),
    ("Boston", "MA", "02108"),
    ("Burlington", "VT", "05401"),
    ("San Antonio", "TX", "78205"),
    ("Columbus", "OH", "43215"),
    ("Minneapolis", "MN", "55401"),
    ("Portland", "OR", "97201"),
    ("Raleigh", "NC", "27601"),
];

/// A stream of numbers that looks random and is the same everywhere (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        let at = self.below(u64::try_from(list.len()).ok()?);
        list.get(usize::try_from(at).ok()?).copied()
    }
}

/// Writes the roster of so many people as it stands on that day: from day to day one in 200 moves house, and
/// one in 500 has left by the second day.
///
/// Of the cells, as in exports of HR systems: dates as `MM/DD/YYYY`, four in five phones with punctuation, a
/// ZIP code without its leading zero now and then, a few names that are not ASCII or have white space around.
///
/// # Errors
/// When `out` cannot be written.
pub(crate) fn write(out: &mut impl Write, people: u64, day: u64) -> io::Result<()> {
    writeln!(out, "{HEADER}")?;
    for person in 0..people {
        row(out, person, day).unwrap_or(Err(io::ErrorKind::InvalidData.into()))?;
    }
    Ok(())
}

fn row(out: &mut impl Write, person: u64, day: u64) -> Option<io::Result<()>> {
    let mut numbers = Numbers(person << 8);
    let (first, last) = (numbers.one_of(&FIRST)?, numbers.one_of(&LAST)?);
    let space = if numbers.below(50) == 0 { " " } else { "" };
    let (month, date, year) = (1 + numbers.below(12), 1 + numbers.below(28), 1950 + numbers.below(55));
    let (area, line) = (numbers.one_of(&[518, 412, 617, 210])?, numbers.below(10_000));
    let mobile = match numbers.below(5) {
        0 => format!("{area}555{line:04}"),
        1 => format!("{area}-555-{line:04}"),
        2 => format!("+1 {area} 555 {line:04}"),
        _ => format!("({area}) 555-{line:04}"),
    };
    // One in ten has no mobile phone; half of the others have a second number.
    let (mobile, home) = match numbers.below(20) {
        0 | 1 => (String::new(), mobile),
        2..=10 => (mobile, format!("({area}) 555-{:04}", 9_999 - line)),
        _ => (mobile, String::new()),
    };
    let (small, family) =
        (first.to_lowercase().replace('\u{eb}', "e"), last.to_lowercase().replace('\'', ""));
    let plan = numbers.one_of(&["Gold", "Silver"])?;
    let (mut house, street) = (1 + numbers.below(4_000), numbers.one_of(&STREETS)?);
    let second = match numbers.below(4) {
        0 => format!("Apt {}", 1 + numbers.below(60)),
        _ => String::new(),
    };
    let (city, state, zip) = numbers.one_of(&PLACES)?;
    let zip = if numbers.below(4) == 0 { zip.trim_start_matches('0') } else { zip };
    let division = numbers.one_of(&["East", "West"])?;
    let status = if numbers.below(25) == 0 { "Leave" } else { "Active" };
    let (moves, leaves) = (numbers.below(200), numbers.below(500) == 0);
    house += u64::from((1..=day).any(|today| today % 200 == moves)) * 4_000;
    let (status, ended) = if leaves && day >= 2 { ("Terminated", "10/31/2026") } else { (status, "") };
    Some(writeln!(
        out,
        "E-{:07},{first}{space},{last},{month:02}/{date:02}/{year},{mobile},{home},\
         {small}.{family}{}@acme.example,{plan},{house} {street},{second},{city},{state},{zip},{status},{ended},{division}",
        1_000_000 + person,
        person % 10_000,
    ))
}
