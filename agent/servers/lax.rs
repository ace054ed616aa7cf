//! Reads other programs' JSON field by field: a field of a wrong type is as good as absent, so
//! that one odd value hides neither its model nor the rest of a list. Pure.
//!
//! The raw text of a field is taken first, whatever it is; however deep it nests, that takes no
//! stack. And an object is one only with braces: serde would also read it from an array, its fields
//! in their order.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::http::{HttpError, Reply, excerpt};

/// A whole answer that is an object of this shape; the status does not matter.
///
/// # Errors
/// It is not.
pub(super) fn body<T: DeserializeOwned>(reply: &Reply) -> Result<T, HttpError> {
    if is_object(&reply.text()) {
        reply.json()
    } else {
        Err(HttpError::Malformed(format!("no JSON object: {:?}", excerpt(&reply.body))))
    }
}

/// A field that may have any value: `None` where it is `null` or of another type. For
/// `#[serde(default, deserialize_with = "lax::field")]`.
pub(super) fn field<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A field that holds an object: `None` where it is something else.
pub(super) fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(parse_object(&raw))
}

/// A count: an integer, or a float that stands for one (`8192.0`). `None` where it is something
/// else, or negative.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let whole = serde_json::from_str::<u64>(raw.get()).ok();
    Ok(whole.or_else(|| {
        let number = serde_json::from_str::<f64>(raw.get()).ok()?;
        (0.0..=MAX_EXACT).contains(&number).then_some(number as u64)
    }))
}

/// A list of objects, read one by one. `None` where there is no such field, or it is neither a
/// list nor `null` (which Go writes for an empty one).
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Option<List<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let items = match serde_json::from_str::<Option<Vec<Box<RawValue>>>>(raw.get()) {
        Ok(items) => items.unwrap_or_default(),
        Err(_) => return Ok(None),
    };
    let all = items.len();
    let items: Vec<T> = items.iter().filter_map(|item| parse_object(item)).collect();
    Ok(Some(List { odd: all - items.len(), items }))
}

/// A list, without the items that could not be read.
#[derive(Debug)]
pub(super) struct List<T> {
    /// The items that could be read.
    pub(super) items: Vec<T>,
    /// How many could not.
    pub(super) odd: usize,
}

fn parse_object<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    is_object(raw.get()).then(|| serde_json::from_str(raw.get()).ok())?
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Above this a float does not tell every integer.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Item {
        id: String,
        #[serde(default, deserialize_with = "count")]
        size: Option<u64>,
    }

    #[derive(Deserialize)]
    struct Doc {
        #[serde(default, deserialize_with = "list")]
        data: Option<List<Item>>,
        #[serde(default, deserialize_with = "field")]
        name: Option<String>,
    }

    fn doc(text: &str) -> Doc {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn one_odd_item_does_not_hide_the_rest() {
        let data =
            doc(r#"{"data":[{"id":"a"},{"id":7},5,["c",1],null,{"id":"b","size":"big"}]}"#).data.unwrap();
        assert_eq!(data.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((data.odd, data.items[1].size), (4, None));
    }

    #[test]
    fn null_is_an_empty_list_and_another_type_is_none() {
        assert_eq!(doc(r#"{"data":null}"#).data.unwrap().items.len(), 0);
        assert!(doc(r#"{"data":{}}"#).data.is_none());
        assert!(doc("{}").data.is_none());
        assert!(doc(r#"{"name":null}"#).name.is_none());
    }

    #[test]
    fn a_count_may_be_written_as_a_float() {
        for (text, value) in [("4096", Some(4096)), ("4096.0", Some(4096)), ("-1", None), ("1e300", None)] {
            let item: Item = serde_json::from_str(&format!(r#"{{"id":"x","size":{text}}}"#)).unwrap();
            assert_eq!(item.size, value, "{text}");
        }
    }

    #[test]
    fn nesting_of_any_depth_takes_no_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let doc =
            doc(&format!(r#"{{"name":{deep},"unknown":{deep},"data":[{deep},{{"id":"a","size":{deep}}}]}}"#));
        assert!(doc.name.is_none());
        assert_eq!(doc.data.unwrap().items[0].id, "a");
    }
}
