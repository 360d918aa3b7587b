//! Lists: filtering, sorting and paging of rendered objects, the same for every kind.

use std::cmp::Ordering;

use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    error::ApiError,
    label::{Labels, Selector},
    request::ApiRequest,
    route::Reply,
};

const DEFAULT_PER_PAGE: usize = 25;
/// Larger values are lowered to this one. (That the live API lowers rather than refuses is not verified.)
const MAX_PER_PAGE: usize = 50;

/// The answer to a list request in the making.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    key: &'a str,
    request: &'a ApiRequest,
    items: Vec<Value>,
}

impl<'a> Listing<'a> {
    /// A list whose array is called `key` in the answer.
    pub(crate) const fn new(key: &'a str, request: &'a ApiRequest, items: Vec<Value>) -> Self {
        Self {
            key,
            request,
            items,
        }
    }

    /// Offers a filter by exact value; repeated query keys mean "one of".
    pub(crate) fn filter(mut self, field: &str) -> Self {
        let wanted: Vec<&str> = self.request.query(field).collect();
        if !wanted.is_empty() {
            self.items.retain(|item| match &item[field] {
                Value::String(text) => wanted.contains(&text.as_str()),
                other => wanted.contains(&other.to_string().as_str()),
            });
        }
        self
    }

    /// Offers `label_selector`.
    pub(crate) fn filter_by_label(mut self) -> Result<Self, ApiError> {
        for text in self.request.query("label_selector") {
            let selector = Selector::parse(text)
                .map_err(|error| ApiError::invalid_field("label_selector", error.to_string()))?;
            self.items.retain(|item| selector.matches(&labels_of(item)));
        }
        Ok(self)
    }

    /// Offers `sort=field[:asc|desc]` for these fields; the first `sort` weighs most.
    pub(crate) fn sort(mut self, fields: &[&str]) -> Result<Self, ApiError> {
        let mut keys = Vec::new();
        for text in self.request.query("sort") {
            let (field, descending) = match text.split_once(':') {
                None | Some((_, "asc")) => (text.split(':').next().unwrap_or(text), false),
                Some((field, "desc")) => (field, true),
                Some(_) => {
                    return Err(ApiError::invalid_field(
                        "sort",
                        format!("'{text}' has an unknown direction"),
                    ));
                }
            };
            if !fields.contains(&field) {
                let message = format!("'{field}' is not one of {}", fields.join(", "));
                return Err(ApiError::invalid_field("sort", message));
            }
            keys.push((field, descending));
        }
        self.items.sort_by(|a, b| {
            keys.iter()
                .map(|(field, descending)| {
                    let order = compare(&a[*field], &b[*field]);
                    if *descending { order.reverse() } else { order }
                })
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        Ok(self)
    }

    /// Cuts the page and adds `meta.pagination` and the `Link` header.
    pub(crate) fn page(self) -> Result<Reply, ApiError> {
        let page = number(self.request, "page")?.unwrap_or(1);
        let per_page = number(self.request, "per_page")?
            .unwrap_or(DEFAULT_PER_PAGE)
            .min(MAX_PER_PAGE);
        let total = self.items.len();
        let last = total.div_ceil(per_page).max(1);
        let previous = (page > 1).then(|| page - 1);
        let next = (page < last).then(|| page + 1);
        let items: Vec<Value> = self
            .items
            .into_iter()
            .skip((page - 1).saturating_mul(per_page))
            .take(per_page)
            .collect();

        let link: Vec<String> = [("prev", previous), ("next", next), ("last", Some(last))]
            .into_iter()
            .filter_map(|(relation, page)| Some(link(self.request, page?, per_page, relation)))
            .collect();
        let mut body = Map::new();
        body.insert(self.key.to_owned(), Value::Array(items));
        body.insert(
            "meta".to_owned(),
            json!({ "pagination": {
                "page": page,
                "per_page": per_page,
                "previous_page": previous,
                "next_page": next,
                "last_page": last,
                "total_entries": total,
            }}),
        );
        let mut reply = Reply::json(StatusCode::OK, Value::Object(body));
        if let Ok(value) = HeaderValue::from_str(&link.join(", ")) {
            reply.headers.push((header::LINK, value));
        }
        Ok(reply)
    }
}

fn labels_of(item: &Value) -> Labels {
    let pairs = item["labels"].as_object().into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a
            .as_f64()
            .partial_cmp(&b.as_f64())
            .unwrap_or(Ordering::Equal),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        // Unfinished actions have no `finished`: nulls come first.
        (a, b) => b.is_null().cmp(&a.is_null()),
    }
}

fn number(request: &ApiRequest, key: &str) -> Result<Option<usize>, ApiError> {
    let Some(text) = request.query(key).last() else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) if number >= 1 => Ok(Some(number)),
        _ => Err(ApiError::invalid_field(
            key,
            "must be a number of at least 1",
        )),
    }
}

fn link(request: &ApiRequest, page: usize, per_page: usize, relation: &str) -> String {
    let others = request.raw_query.as_deref().unwrap_or_default().split('&');
    let kept = others.filter(|pair| {
        let key = pair.split('=').next().unwrap_or_default();
        !key.is_empty() && key != "page" && key != "per_page"
    });
    let query: String = kept.flat_map(|pair| [pair, "&"]).collect();
    format!(
        "<http://{}{}?{query}page={page}&per_page={per_page}>; rel=\"{relation}\"",
        request.host, request.raw_path
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::*;

    fn get(path_and_query: &str) -> ApiRequest {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:1"));
        ApiRequest::new(
            Method::GET,
            &path_and_query.parse().unwrap(),
            &headers,
            Bytes::new(),
        )
    }

    fn things(count: u64) -> Vec<Value> {
        (1..=count)
            .map(|id| json!({ "id": id, "name": format!("n{}", id % 3), "labels": { "odd": (id % 2).to_string() } }))
            .collect()
    }

    fn ids(reply: &Reply) -> Vec<u64> {
        let body = reply.body.as_ref().unwrap();
        body["things"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].as_u64().unwrap())
            .collect()
    }

    fn list(query: &str, count: u64) -> Result<Reply, ApiError> {
        let request = get(&format!("/v1/things?{query}"));
        Listing::new("things", &request, things(count))
            .filter("name")
            .filter_by_label()?
            .sort(&["id", "name"])?
            .page()
    }

    #[test]
    fn pages_are_cut_and_described() {
        let table = [
            ("", 60, 1..=25, json!([1, 25, null, 2, 3, 60])),
            ("page=3", 60, 51..=60, json!([3, 25, 2, null, 3, 60])),
            (
                "per_page=50&page=2",
                60,
                51..=60,
                json!([2, 50, 1, null, 2, 60]),
            ),
            ("per_page=500", 60, 1..=50, json!([1, 50, null, 2, 2, 60])),
            (
                "per_page=10&page=2",
                20,
                11..=20,
                json!([2, 10, 1, null, 2, 20]),
            ),
        ];
        for (query, count, expected, meta) in table {
            let reply = list(query, count).unwrap();
            assert_eq!(ids(&reply), expected.collect::<Vec<u64>>(), "{query}");
            let pagination = &reply.body.as_ref().unwrap()["meta"]["pagination"];
            let fields = [
                "page",
                "per_page",
                "previous_page",
                "next_page",
                "last_page",
                "total_entries",
            ];
            assert_eq!(
                json!(fields.map(|field| pagination[field].clone())),
                meta,
                "{query}"
            );
        }
        assert_eq!(
            ids(&list("page=9", 60).unwrap()),
            [0_u64; 0],
            "a page past the end is empty"
        );
        assert_eq!(
            ids(&list("", 0).unwrap()),
            [0_u64; 0],
            "an empty list has one empty page"
        );
    }

    #[test]
    fn a_page_or_sort_that_makes_no_sense_is_invalid_input() {
        for query in [
            "page=0",
            "page=x",
            "per_page=0",
            "per_page=-1",
            "sort=color",
            "sort=id:up",
        ] {
            let error = list(query, 3).unwrap_err();
            assert_eq!(
                (error.status.as_u16(), &*error.code),
                (422, "invalid_input"),
                "{query}"
            );
        }
    }

    #[test]
    fn the_first_sort_key_weighs_most() {
        let table = [
            ("sort=id:desc", vec![6, 5, 4, 3, 2, 1]),
            ("sort=name", vec![3, 6, 1, 4, 2, 5]),
            ("sort=name:asc&sort=id:desc", vec![6, 3, 4, 1, 5, 2]),
            ("sort=name:desc&sort=id", vec![2, 5, 1, 4, 3, 6]),
        ];
        for (query, expected) in table {
            assert_eq!(ids(&list(query, 6).unwrap()), expected, "{query}");
        }
    }

    #[test]
    fn filters_narrow_the_list_before_it_is_paged() {
        assert_eq!(ids(&list("name=n1", 6).unwrap()), [1, 4]);
        assert_eq!(ids(&list("name=n1&name=n2", 6).unwrap()), [1, 2, 4, 5]);
        assert_eq!(
            ids(&list("label_selector=odd%3D1&per_page=2&page=2", 6).unwrap()),
            [5]
        );
        assert_eq!(
            list("label_selector=%3D", 6).unwrap_err().code,
            "invalid_input"
        );
    }

    #[test]
    fn links_keep_the_other_parameters() {
        let reply = list("name=n1&page=2&per_page=1", 9).unwrap();
        let (_, link) = &reply.headers[0];
        assert_eq!(
            link.to_str().unwrap(),
            "<http://localhost:1/v1/things?name=n1&page=1&per_page=1>; rel=\"prev\", \
             <http://localhost:1/v1/things?name=n1&page=3&per_page=1>; rel=\"next\", \
             <http://localhost:1/v1/things?name=n1&page=3&per_page=1>; rel=\"last\""
        );
    }
}
