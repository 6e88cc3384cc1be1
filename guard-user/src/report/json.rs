//! How verbs say something in JSON: as an object with the version of its fields.

use serde::Serialize;
use serde_json::{Map, Value};

use super::SCHEMA;

/// What a verb answers: its fields, or its rows under `rows`, and `schema` beside them.
///
/// # Errors
///
/// If it has no shape in JSON.
pub fn answer<T: Serialize>(value: &T) -> serde_json::Result<Value> {
    let mut fields = match serde_json::to_value(value)? {
        Value::Object(fields) => fields,
        rows => Map::from_iter([("rows".to_owned(), rows)]),
    };
    fields.insert("schema".to_owned(), SCHEMA.into());
    Ok(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_answer_is_an_object_with_its_version() {
        let said = |value: Value| answer(&value).ok();
        assert_eq!(said(json!({"a": 1})), Some(json!({"a": 1, "schema": SCHEMA})));
        assert_eq!(said(json!([1, 2])), Some(json!({"rows": [1, 2], "schema": SCHEMA})));
    }
}
