//! Pure: which page comes next, and what the pages so far prove.

use super::{
    page::{Id, Page},
    settings::{Http, Pagination},
};
use crate::source::json::JsonPath;
use hashbrown::{HashMap, HashSet};
use serde_json::Value;
use url::Url;

/// A list of more pages than this has no end that we believe in.
const MOST_PAGES: u64 = 20_000;

/// What is asked next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The request with these parameters.
    Params {
        /// Over those of the request.
        params: Vec<(String, String)>,
        /// Everything that the server counts has come: it may say that there is no such page.
        past_the_end: bool,
    },
    /// This address.
    Url(Url),
    /// Nothing: that was the last page.
    End,
}

/// Why the pages are no whole list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Rows moved while pages were read: another read may go well.
    Moved(String),
    /// Something is missing, or cannot be trusted.
    Proof(String),
    /// The next page is at another place, where our credentials do not go.
    Elsewhere,
}

/// What an answer says of the list, beside its records.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) total: Option<u64>,
    /// The `Link` header's next.
    pub(super) link: Option<String>,
}

/// The pages so far.
pub(super) struct Pages<'a> {
    settings: &'a Http,
    number: u64,
    pub(super) records: u64,
    pub(super) total: Option<u64>,
    ids: HashMap<Id, u64>,
    digests: HashSet<[u8; 32]>,
    marks: HashSet<String>,
    /// The page that was shorter than asked for, and how short.
    short: Option<(u64, u64)>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(settings: &'a Http) -> Self {
        Self {
            settings,
            number: 0,
            records: 0,
            total: None,
            ids: HashMap::new(),
            digests: HashSet::new(),
            marks: HashSet::new(),
            short: None,
        }
    }

    /// The number of the next page, from 1.
    pub(super) fn coming(&self) -> u64 {
        self.number + 1
    }

    /// The first page.
    pub(super) fn first(&self) -> Next {
        match &self.settings.pagination {
            Pagination::None | Pagination::NextLink(_) | Pagination::LinkHeader => {
                Next::Params { params: Vec::new(), past_the_end: false }
            }
            Pagination::Page { .. } | Pagination::Offset { .. } => self.counted(),
            Pagination::Cursor { size_param, size, .. } => {
                Next::Params { params: sized(size_param.as_ref(), *size), past_the_end: false }
            }
        }
    }

    /// Takes a page and says what comes next.
    pub(super) fn take(&mut self, page: &Page, said: &Said, from: &Url) -> Result<Next, Flaw> {
        self.number += 1;
        self.count(page, said)?;
        if page.count > 0 && !self.digests.insert(page.digest) {
            let number = self.number;
            return Err(Flaw::Proof(format!(
                "page {number} is one that came before: the server does not go on; correct `pagination`"
            )));
        }
        let next = self.next(page, said, from)?;
        if next != Next::End && self.number >= MOST_PAGES {
            return Err(Flaw::Proof(format!(
                "the list has more than {MOST_PAGES} pages; ask for larger ones"
            )));
        }
        Ok(next)
    }

    fn count(&mut self, page: &Page, said: &Said) -> Result<(), Flaw> {
        let number = self.number;
        match (self.total, said.total) {
            (None, Some(total)) if number == 1 => self.total = Some(total),
            (None, None) if number == 1 && self.settings.total.is_some() => {
                return Err(Flaw::Proof(
                    "the first answer does not say how many records there are; correct `total`".to_owned(),
                ));
            }
            (Some(before), Some(now)) if before != now => {
                return Err(Flaw::Moved(format!(
                    "the server counted {before} records at first, and {now} on page {number}"
                )));
            }
            (None | Some(_), None | Some(_)) => {}
        }
        self.records += page.count;
        let Some(size) = self.settings.pagination.size() else { return Ok(()) };
        if let Some((early, count)) = self.short.filter(|_| page.count > 0) {
            return Err(Flaw::Proof(format!(
                "page {early} has {count} records where {size} were asked for, and is not the last; \
                 the server may have another limit, so correct `size`"
            )));
        }
        if page.count > size {
            return Err(Flaw::Proof(format!(
                "page {number} has {} records where {size} were asked for; correct `size` and `size_param`",
                page.count
            )));
        }
        if page.count < size {
            self.short = Some((number, page.count));
        }
        Ok(())
    }

    /// Takes the people of the page that was taken last.
    pub(super) fn people(&mut self, ids: &[Id]) -> Result<(), Flaw> {
        let number = self.number;
        for id in ids {
            let first = *self.ids.entry(*id).or_insert(number);
            if first != number {
                return Err(Flaw::Moved(format!("the same person is on page {first} and on page {number}")));
            }
        }
        Ok(())
    }

    fn next(&mut self, page: &Page, said: &Said, from: &Url) -> Result<Next, Flaw> {
        let mark = match &self.settings.pagination {
            Pagination::None => {
                return match &said.link {
                    None => Ok(Next::End),
                    Some(_) => Err(Flaw::Proof(
                        "the answer leads to another page (`Link`), so it is not the whole list; write \
                         `pagination: { link_header: true }`"
                            .to_owned(),
                    )),
                };
            }
            Pagination::Page { .. } | Pagination::Offset { .. } => return self.next_counted(page),
            Pagination::Cursor { from, .. } => self.mark(from, page)?,
            Pagination::NextLink(path) => self.mark(path, page)?,
            Pagination::LinkHeader => said.link.clone(),
        };
        let number = self.number;
        let Some(mark) = mark else { return self.unmarked(page) };
        if !self.marks.insert(mark.clone()) {
            return Err(Flaw::Proof(format!(
                "page {number} leads back to a page that was read already; correct `pagination`"
            )));
        }
        if page.count == 0 {
            return Err(Flaw::Proof(format!(
                "page {number} is empty and leads to another one; ask whoever keeps the API"
            )));
        }
        if let (Some(size), Some((short, count))) = (self.settings.pagination.size(), self.short) {
            return Err(Flaw::Proof(format!(
                "page {short} has {count} records where {size} were asked for, and is not the last; the server may have \
                 another limit, so correct `size`"
            )));
        }
        if let Pagination::Cursor { param, size_param, size, .. } = &self.settings.pagination {
            let mut params = sized(size_param.as_ref(), *size);
            params.push((param.clone(), mark));
            return Ok(Next::Params { params, past_the_end: false });
        }
        let url = from.join(&mark).map_err(|_| {
            Flaw::Proof(format!("page {number} leads to what is no address; correct `pagination`"))
        })?;
        // The server itself is where the first page was, whatever stands in between.
        if url.origin() == from.origin() { Ok(Next::Url(url)) } else { Err(Flaw::Elsewhere) }
    }

    /// What leads to the next page. Something that is neither a text nor nothing is no end of the list.
    fn mark(&self, path: &JsonPath, page: &Page) -> Result<Option<String>, Flaw> {
        match path.find(&page.rest) {
            None | Some(Value::Null | Value::Bool(false)) => Ok(None),
            Some(Value::String(text)) => Ok((!text.is_empty()).then(|| text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(true) | Value::Array(_) | Value::Object(_)) => Err(Flaw::Proof(format!(
                "page {} has at `{}` something that leads nowhere; name the field in it, such as `$.next.href`",
                self.number,
                path.as_str()
            ))),
        }
    }

    /// A page without a mark is the last; but a full one that says nothing of a next one proves nothing, unless the pages
    /// before it said it.
    fn unmarked(&self, page: &Page) -> Result<Next, Flaw> {
        match &self.settings.pagination {
            Pagination::Cursor { from, size: Some(size), .. }
                if page.count >= *size
                    && self.total.is_none()
                    && self.marks.is_empty()
                    && from.find(&page.rest).is_none() =>
            {
                Err(Flaw::Proof(format!(
                    "page {} is full, and nothing at `{}` says whether another one follows; correct `from`, \
                     or add `total`",
                    self.number,
                    from.as_str()
                )))
            }
            Pagination::None
            | Pagination::Page { .. }
            | Pagination::Offset { .. }
            | Pagination::Cursor { .. }
            | Pagination::NextLink(_)
            | Pagination::LinkHeader => Ok(Next::End),
        }
    }

    /// After the last page: whether everything came that the server counts.
    pub(super) fn whole(&self) -> Result<(), Flaw> {
        match self.total.filter(|total| *total != self.records) {
            Some(total) => Err(Flaw::Proof(format!(
                "the server counts {total} records and gave {}; look whether `total` counts what the list has, and \
                 whether the account may read all of it",
                self.records
            ))),
            None => Ok(()),
        }
    }

    /// By number: a page is the last only if the one after it is empty, or if the server has counted.
    fn next_counted(&self, page: &Page) -> Result<Next, Flaw> {
        let counted = self.total.is_some_and(|total| self.records >= total);
        if page.count == 0 || (counted && self.short.is_some()) {
            return Ok(Next::End);
        }
        if let (Some(total), Some((number, count))) = (self.total, self.short) {
            return Err(Flaw::Proof(format!(
                "page {number} has only {count} records, though the server counts {total} and gave {}; look \
                 whether the account may read all of them, or whether the server has another limit than `size`",
                self.records
            )));
        }
        Ok(self.counted())
    }

    /// The next page by its number, or by what comes before it.
    fn counted(&self) -> Next {
        let (param, place, size_param, size) = match &self.settings.pagination {
            Pagination::Page { param, first, size_param, size } => {
                (param, first + self.number, size_param, *size)
            }
            Pagination::Offset { param, size_param, size } => (param, self.records, size_param, *size),
            Pagination::None
            | Pagination::Cursor { .. }
            | Pagination::NextLink(_)
            | Pagination::LinkHeader => {
                return Next::End;
            }
        };
        let mut params = sized(size_param.as_ref(), Some(size));
        params.push((param.clone(), place.to_string()));
        Next::Params { params, past_the_end: self.total.is_some_and(|total| self.records >= total) }
    }
}

fn sized(param: Option<&String>, size: Option<u64>) -> Vec<(String, String)> {
    param.zip(size).map(|(param, size)| (param.clone(), size.to_string())).into_iter().collect()
}
