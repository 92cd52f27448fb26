//! One of the five fields, read by rules of our own: what is handed on to the calendar has no surprise in it.

use super::CronError;

/// A field of a cron pattern.
#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    /// Names of the values from `least` on.
    names: &'static [&'static str],
}

pub(super) const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    },
    Field {
        name: "day of the week",
        least: 0,
        most: 7,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

impl Field {
    /// The values that a field's text names, as bits.
    pub(super) fn values(&self, text: &str) -> Result<u64, CronError> {
        let mut values = 0;
        for item in text.split(',') {
            values |= self.item(item)?;
        }
        Ok(values)
    }

    fn item(&self, item: &str) -> Result<u64, CronError> {
        let (body, step) = match item.split_once('/') {
            Some((body, step)) => (body, Some(step)),
            None => (item, None),
        };
        let (first, last) = match body.split_once('-') {
            _ if body == "*" => (self.least, self.most),
            Some((first, last)) => (self.value(first, item)?, self.last(last, item)?),
            None => {
                let value = self.value(body, item)?;
                if step.is_some() {
                    let help = format!("write where it ends as well: `{body}-{}/…`, or `*/…`", self.most);
                    return Err(self.wrong(item, "has a step and no range", help));
                }
                (value, value)
            }
        };
        if first > last {
            let (first, last) = (self.shown(first), self.shown(last));
            let (least, most) = (self.shown(self.least), self.shown_most());
            let help = format!("write it in two parts: `{first}-{most},{least}-{last}`");
            return Err(self.wrong(item, "runs backwards", help));
        }
        let step = match step {
            None => 1,
            Some(step) => {
                number(step).filter(|step| (1..=self.most - self.least).contains(step)).ok_or_else(|| {
                    let help = format!("write a step from 1 to {}", self.most - self.least);
                    self.wrong(item, "has a step that this field does not have", help)
                })?
            }
        };
        let hits = (first..=last).step_by(usize::from(step));
        Ok(hits.fold(0, |bits, value| bits | (1 << value)))
    }

    /// The end of a range, where `SUN` is the seventh day.
    fn last(&self, text: &str, item: &str) -> Result<u8, CronError> {
        if text == "SUN" && self.names.contains(&"SUN") { Ok(7) } else { self.value(text, item) }
    }

    fn value(&self, text: &str, item: &str) -> Result<u8, CronError> {
        if let Some(index) = self.names.iter().position(|name| *name == text) {
            return Ok(self.least + u8::try_from(index).unwrap_or_default());
        }
        number(text).filter(|number| (self.least..=self.most).contains(number)).ok_or_else(|| {
            let names = match self.names {
                [] => String::new(),
                names => format!(", or the names {}", names.join(" ")),
            };
            let help = format!(
                "the {} has numbers from {} to {}{names}; `*` for each, `a-b` for a range, `a,b` for several, `*/n` for each n-th",
                self.name, self.least, self.most
            );
            CronError { message: format!("the {} cannot be `{item}`", self.name), help }
        })
    }

    fn shown(&self, value: u8) -> String {
        let name = self.names.get(usize::from(value - self.least));
        name.map_or_else(|| value.to_string(), |name| (*name).to_owned())
    }

    fn shown_most(&self) -> String {
        self.names.last().map_or_else(|| self.most.to_string(), |name| (*name).to_owned())
    }

    fn wrong(&self, item: &str, what: &str, help: String) -> CronError {
        CronError { message: format!("the {} `{item}` {what}", self.name), help }
    }
}

/// Digits alone: a number's own reader would take a sign as well.
fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
