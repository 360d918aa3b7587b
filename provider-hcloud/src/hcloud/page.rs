//! Reading a list of several pages as if it were one.
//!
//! The list may change between two pages. A creation or deletion shifts objects across the page boundary, so one could
//! be missed or come twice; both show in the count or in an id that comes again, and the list is then read anew.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Priority;
use super::client::{Call, Client};
use super::error::{Class, Error};
use super::resource::{Resource, member};
use super::tolerant;

/// The most that the API gives at once.
pub(super) const PER_PAGE: usize = 50;

/// Times that a list may be read anew because it changed meanwhile.
const RESTARTS: usize = 5;

/// Most pages of one list: far more than a project can have.
const PAGES: usize = 10_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
struct Meta {
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pagination: Pagination,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
struct Pagination {
    #[serde(default)]
    next_page: Option<usize>,
    #[serde(default)]
    total_entries: Option<usize>,
}

/// The pages of one list so far.
#[derive(Debug, Default)]
struct Progress {
    seen: HashSet<u64>,
    total: Option<usize>,
    pages: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Page(usize),
    Done,
    /// The list changed while it was read.
    Restart,
}

impl Progress {
    /// Takes in a page with these ids.
    fn take(&mut self, ids: impl IntoIterator<Item = u64>, pagination: Pagination) -> Next {
        let mut again = false;
        for id in ids {
            again |= !self.seen.insert(id);
        }
        self.pages += 1;
        let first = self.pages == 1;
        let changed = !first && pagination.total_entries != self.total;
        self.total = pagination.total_entries;
        if again || changed || self.pages >= PAGES {
            return Next::Restart;
        }
        match pagination.next_page {
            Some(next) if next > self.pages => Next::Page(next),
            // An API that no longer counts its pages ends with the page that it gave.
            _ => Next::Done,
        }
    }
}

/// Reads all of the list of `T` that matches `filter` (an encoded query, or empty).
///
/// Objects that cannot be read are left out, with a warning: one odd object must not hide all others.
pub(super) async fn list<T: Resource>(
    client: &Client,
    filter: &str,
    priority: Priority,
) -> Result<Vec<T>, Error> {
    let endpoint = format!("GET /{}", T::COLLECTION);
    for _ in 0..=RESTARTS {
        let mut objects = Vec::new();
        let mut progress = Progress::default();
        let mut page = 1;
        loop {
            let separator = if filter.is_empty() { "" } else { "&" };
            let query = format!("{filter}{separator}page={page}&per_page={PER_PAGE}");
            let call = Call::get(format!("/{}", T::COLLECTION), priority).query(&query);
            let answer = client.send(call).await.map_err(not_the_api)?;
            let rows: Vec<&RawValue> = member(&answer, T::COLLECTION)
                .map_err(|source| Error::decode(endpoint.clone(), false, source))?;
            let from = objects.len();
            objects.extend(rows.into_iter().filter_map(read_row::<T>));
            // Without page data there is one page.
            let meta: Meta = member(&answer, "meta").unwrap_or_default();
            let ids = objects[from..].iter().map(T::id);
            match progress.take(ids, meta.pagination) {
                Next::Page(next) => page = next,
                Next::Done => return Ok(objects),
                Next::Restart => break,
            }
        }
    }
    Err(Error::UnstableList { call: endpoint })
}

fn read_row<T: Resource>(row: &RawValue) -> Option<T> {
    match serde_json::from_str(row.get()) {
        Ok(object) => Some(object),
        Err(error) => {
            tracing::warn!(collection = T::COLLECTION, %error, "Left out an object that cannot be read");
            None
        }
    }
}

/// A list always exists: where it is "not found", the address is wrong, and nothing is known about any object.
fn not_the_api(error: Error) -> Error {
    match error {
        Error::Api { call, .. } if error.class() == Class::NotFound => Error::NoSuchList { call },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(json: &str) -> Pagination {
        serde_json::from_str::<Meta>(json).unwrap().pagination
    }

    fn counted(next_page: impl Into<Option<usize>>, total: usize) -> Pagination {
        Pagination {
            next_page: next_page.into(),
            total_entries: Some(total),
        }
    }

    type Page<'a> = (&'a [u64], Pagination);

    fn walk(pages: &[Page<'_>]) -> Next {
        let mut progress = Progress::default();
        let mut next = Next::Done;
        for (ids, pagination) in pages {
            next = progress.take(ids.iter().copied(), *pagination);
        }
        next
    }

    #[test]
    fn page_data_may_be_missing_or_null() {
        for json in [
            "{}",
            r#"{"pagination":null}"#,
            r#"{"pagination":{}}"#,
            r#"{"pagination":{"page":1,"per_page":50,"previous_page":null,"next_page":null,"last_page":null,
                "total_entries":null,"cursor":"new"}}"#,
        ] {
            assert_eq!(meta(json), Pagination::default(), "{json}");
        }
        assert_eq!(
            meta(r#"{"pagination":{"page":1,"next_page":2,"total_entries":51}}"#),
            counted(2, 51)
        );
    }

    #[test]
    #[rustfmt::skip]
    fn a_list_ends_goes_on_or_starts_anew() {
        let none = Pagination::default();
        let table: [(&[Page<'_>], Next, &str); 9] = [
            (&[(&[1, 2], counted(2, 3))],                           Next::Page(2), "there is more"),
            (&[(&[1, 2], counted(2, 3)), (&[3], counted(None, 3))], Next::Done,    "that was all"),
            (&[(&[], counted(None, 0))],                            Next::Done,    "an empty list"),
            (&[(&[1, 2], none)],                                    Next::Done,    "no page data at all"),
            (&[(&[1, 2], counted(2, 3)), (&[2], counted(None, 3))], Next::Restart, "an object moved back"),
            (&[(&[1, 2], counted(2, 3)), (&[], counted(None, 2))],  Next::Restart, "one was deleted, one may be missed"),
            (&[(&[1, 2], counted(2, 3)), (&[4], counted(3, 5))],    Next::Restart, "some were created"),
            (&[(&[1, 2], counted(2, 3)), (&[3], none)],             Next::Restart, "the count went away"),
            (&[(&[1, 2], counted(1, 3))],                           Next::Done,    "a next page that is none never loops"),
        ];
        for (pages, next, reason) in table {
            assert_eq!(walk(pages), next, "{reason}");
        }
    }
}
