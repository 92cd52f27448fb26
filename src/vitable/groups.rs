//! Groups and plans: every page of the list, matched byte for byte, and the making of a group.

use super::{
    ApiError, Client,
    client::{Pace, describe},
    wire,
};
use crate::roster::{GroupId, GroupRef, OrganizationId};
use serde::de::DeserializeOwned;
use std::collections::HashSet;

/// What one page is asked to hold: the most that Vitable gives.
const PAGE: &str = "100";
/// Pages of a list that are asked for at a time, once the first has said how many there are.
const PAGES_AT_A_TIME: u64 = 8;
/// More pages than any organization has; a server that always promises another one ends here.
const MOST_PAGES: u64 = 10_000;

/// A group that was found by its reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundGroup {
    /// To submit to, and to pin.
    pub id: GroupId,
    /// To compare with the ledger's.
    pub organization: OrganizationId,
}

/// Why a group was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// No group on any page has this reference.
    #[error(
        "no group at Vitable has the external_reference_id `{0}`; correct the feed's `groups`, or create the group (`create_missing`)"
    )]
    NotFound(GroupRef),
    /// More than one has it: which one is meant is nobody's guess to make.
    #[error(
        "{} groups at Vitable have the external_reference_id `{reference}` ({}); ask Vitable to leave it to one of them",
        ids.len(), ids.join(", ")
    )]
    Ambiguous {
        /// What was looked for.
        reference: GroupRef,
        /// The groups that have it.
        ids: Vec<String>,
    },
    /// The list could not be read whole.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// The organization's groups as one listing showed them; keep it for a run.
#[derive(Clone, Debug, Default)]
pub struct Groups(Vec<wire::Group>);

impl Groups {
    /// A listing of these groups.
    #[must_use]
    pub fn new(groups: Vec<wire::Group>) -> Self {
        Self(groups)
    }

    /// Every group, in Vitable's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &wire::Group> {
        self.0.iter()
    }

    /// The one group whose `external_reference_id` is this, byte for byte.
    ///
    /// # Errors
    /// When there is none, when there are several, or when its ids cannot be read.
    pub fn find(&self, reference: &GroupRef) -> Result<FoundGroup, FindError> {
        let mut same =
            self.0.iter().filter(|group| group.external_reference_id.as_deref() == Some(reference.as_str()));
        let Some(group) = same.next() else {
            return Err(FindError::NotFound(reference.clone()));
        };
        let others: Vec<_> = same.collect();
        if !others.is_empty() {
            return Err(FindError::Ambiguous {
                reference: reference.clone(),
                ids: std::iter::once(group).chain(others).map(|group| group.id.clone()).collect(),
            });
        }
        found(group).map_err(FindError::Api)
    }
}

fn found(group: &wire::Group) -> Result<FoundGroup, ApiError> {
    let unreadable = |error| ApiError::unreadable(None, format!("a group has an unreadable id: {error}"));
    Ok(FoundGroup {
        id: GroupId::new(&group.id).map_err(unreadable)?,
        organization: OrganizationId::new(&group.organization_id).map_err(unreadable)?,
    })
}

impl Client {
    /// Every group of the organization, from every page.
    ///
    /// # Errors
    /// When a page cannot be read, or when the pages do not make up the whole that they promise.
    pub async fn groups(&self) -> Result<Vec<wire::Group>, ApiError> {
        self.list("groups", |group: &wire::Group| &group.id).await
    }

    /// Every plan of the organization, from every page.
    ///
    /// # Errors
    /// As [`Client::groups`].
    pub async fn plans(&self) -> Result<Vec<wire::Plan>, ApiError> {
        self.list("plans", |plan: &wire::Plan| &plan.id).await
    }

    /// [`Groups::find`] in a fresh listing.
    ///
    /// # Errors
    /// As [`Groups::find`] and [`Client::groups`].
    pub async fn find_group(&self, reference: &GroupRef) -> Result<FoundGroup, FindError> {
        Groups::new(self.groups().await?).find(reference)
    }

    /// Makes a group. It is asked for once: when the reference is taken (409) or the answer is lost, the group
    /// is looked up instead, never asked for again.
    ///
    /// # Errors
    /// What Vitable said, when no group with the reference is there afterwards; several; or a failed look-up.
    pub async fn create_group(&self, name: &str, reference: &GroupRef) -> Result<FoundGroup, FindError> {
        let error = match self.post_group(name, reference).await {
            Ok(group) => return Ok(group),
            Err(error) => error,
        };
        if error.status != Some(409) && !error.kind.leaves_doubt() {
            return Err(FindError::Api(error));
        }
        match self.find_group(reference).await {
            // The look-up tells that nothing was made; why is what the first call said.
            Err(FindError::NotFound(_)) => Err(FindError::Api(error)),
            other => other,
        }
    }

    async fn post_group(&self, name: &str, reference: &GroupRef) -> Result<FoundGroup, ApiError> {
        let new =
            wire::NewGroup { name: name.to_owned(), external_reference_id: reference.as_str().to_owned() };
        let body = serde_json::to_vec(&new)
            .map_err(|error| ApiError::unreadable(None, format!("the group cannot be written: {error}")))?;
        let headers = self.headers();
        let _permit = self.in_flight.acquire().await;
        let request = self
            .writes
            .post(self.url(&["v1", "groups"]))
            .headers(headers.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .timeout(self.settings.timeout)
            .body(body);
        let exchange = async { self.read(request.send().await?, 64 * 1024, || {}).await };
        let answer =
            exchange.await.map_err(|error| ApiError::connect(describe(error, self.settings.timeout)))?;
        if answer.status == 401 {
            self.refresh_key(&headers);
        }
        if !answer.success() {
            return Err(ApiError::of(&answer, None));
        }
        let unreadable = |what: String| ApiError::unreadable(Some(answer.status), what);
        let group: wire::Data<wire::Group> =
            serde_json::from_slice(&answer.body).map_err(|_| unreadable(answer.kind_of_body()))?;
        if group.data.external_reference_id.as_deref() != Some(reference.as_str()) {
            return Err(unreadable("the group that was made has another external_reference_id".to_owned()));
        }
        found(&group.data)
    }

    /// Reads a list whole. A list that changed under the reading is read once more.
    async fn list<T: DeserializeOwned>(
        &self,
        name: &str,
        id: impl Fn(&T) -> &String,
    ) -> Result<Vec<T>, ApiError> {
        if let Ok(items) = self.pages(name, &id).await? {
            return Ok(items);
        }
        self.pages(name, &id)
            .await?
            .map_err(|why| ApiError::unreadable(None, format!("the list of {name} is not whole: {why}")))
    }

    async fn page<T: DeserializeOwned>(&self, name: &str, page: u64) -> Result<wire::Page<T>, ApiError> {
        let mut url = self.url(&["v1", name]);
        url.query_pairs_mut().append_pair("page", &page.to_string()).append_pair("limit", PAGE);
        self.get(&url, Pace::Free).await
    }

    /// Every page of a list, or what is wrong between the pages.
    async fn pages<T: DeserializeOwned>(
        &self,
        name: &str,
        id: &impl Fn(&T) -> &String,
    ) -> Result<Result<Vec<T>, String>, ApiError> {
        let mut items: Vec<T> = Vec::new();
        let (mut next, mut pages) = (1, 1);
        while next <= MOST_PAGES {
            let last = pages.min(next + PAGES_AT_A_TIME - 1).clamp(next, MOST_PAGES);
            let asked = (next..=last).map(|page| self.page::<T>(name, page));
            let came = futures_util::future::try_join_all(asked).await?;
            for (asked, page) in (next..=last).zip(came) {
                let came = page.data.len();
                items.extend(page.data);
                let Some(at) = page.pagination else {
                    // The guides' plan list has no such block: then the first page is the only one.
                    let why = "a later page says nothing of its place".to_owned();
                    return Ok(if asked == 1 { Ok(items) } else { Err(why) });
                };
                if at.page != asked {
                    return Ok(Err(format!("page {asked} was asked for and page {} came", at.page)));
                }
                if asked >= at.total_pages {
                    return Ok(whole(items, at.total, id));
                }
                if came == 0 {
                    return Ok(Err(format!("page {asked} of {} is empty", at.total_pages)));
                }
                pages = at.total_pages;
            }
            next = last + 1;
        }
        Ok(Err(format!("it has more than {MOST_PAGES} pages")))
    }
}

/// The items, if they are as many as promised and each is there once.
fn whole<T>(items: Vec<T>, total: u64, id: impl Fn(&T) -> &String) -> Result<Vec<T>, String> {
    let distinct: HashSet<&String> = items.iter().map(id).collect();
    if distinct.len() < items.len() {
        return Err(format!("{} items came twice", items.len() - distinct.len()));
    }
    if u64::try_from(items.len()).ok() != Some(total) {
        return Err(format!("{total} items were promised and {} came", items.len()));
    }
    Ok(items)
}
