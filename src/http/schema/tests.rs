//! Every kind of fault, at every kind of place, and what is put right instead.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, Ref, RefOr, Schema, Type},
};

use super::{MAX_DEPTH, Part, parse_json, read};
use crate::error::{Error, Fault, Loc, Result};

/// Places and kinds, as `body.items.0 string_type`.
fn short<T>(outcome: Result<T>) -> Vec<String> {
    faults(outcome).into_iter().map(|fault| format!("{} {}", place(&fault), fault.kind)).collect()
}

fn faults<T>(outcome: Result<T>) -> Vec<Fault> {
    match outcome {
        Ok(_) => Vec::new(),
        Err(Error::Invalid(faults)) => faults,
        Err(other) => panic!("{other:?}"),
    }
}

fn place(fault: &Fault) -> String {
    let steps = fault.loc.iter().map(|step| match step {
        Loc::Name(name) => name.clone(),
        Loc::Index(index) => index.to_string(),
    });
    steps.collect::<Vec<_>>().join(".")
}

#[derive(Debug, Deserialize, ToSchema, PartialEq)]
struct Order {
    #[schema(format = "email")]
    email: String,
    #[schema(format = "password", min_length = 2, max_length = 4)]
    password: String,
    #[schema(format = "single-line", min_length = 1, max_length = 3)]
    name: String,
    #[serde(default)]
    #[schema(default = false)]
    gift: bool,
    note: Option<String>,
    #[schema(value_type = Option<Object>)]
    extra: Option<Map<String, Value>>,
    #[serde(default)]
    #[schema(max_items = 2)]
    tags: Vec<String>,
    first: Option<Line>,
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize, ToSchema, PartialEq)]
struct Line {
    #[schema(minimum = 1, maximum = 9)]
    count: i32,
    price: Option<f64>,
    size: Option<Size>,
}

#[derive(Debug, Deserialize, ToSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

/// A good order with `changes` laid over it.
fn order(changes: &Value) -> Value {
    let mut order = json!({"email": "ada@example.com", "password": "abc", "name": "Ada"});
    for (field, value) in changes.as_object().unwrap() {
        order[field] = value.clone();
    }
    order
}

#[test]
fn good_values_are_read() {
    let value = json!({
        "email": " Ada <ada@EXAMPLE.com>", "password": "a\0b", "name": "Åda", "unknown": "\0",
        "gift": null, "note": null, "extra": {"a": [1, null]}, "tags": ["x"],
        "first": {"count": "7", "size": "small"}, "lines": [],
    });
    let mut nulls = value.clone();
    assert_eq!(short(read::<Order>(Part::Body, value)), ["body.gift bool_type"]);
    nulls["gift"] = json!(true);
    let order: Order = read(Part::Body, nulls).unwrap();
    assert_eq!(order.email, "ada@example.com");
    assert_eq!(order.password, "a\0b");
    assert_eq!(order.first, Some(Line { count: 7, price: None, size: Some(Size::Small) }));
}

#[test]
fn every_fault_at_once_in_the_order_of_declaration() {
    let value = json!({
        "lines": [{"count": 1}, {"count": 0, "size": "huge"}, 7, {}], "tags": [1, "x"],
        "first": [], "extra": [], "note": {}, "gift": "maybe", "password": "x", "email": "ada",
    });
    let found = faults(read::<Order>(Part::Body, value));
    let found: Vec<String> = found
        .iter()
        .map(|fault| format!("{} {}: {}", place(fault), fault.kind, fault.message))
        .collect();
    assert_eq!(
        found,
        [
            "body.email value_error: value is not a valid email address: \
         An email address must have an @-sign.",
            "body.password string_too_short: String should have at least 2 characters",
            "body.name missing: Field required",
            "body.gift bool_parsing: Input should be a valid boolean, unable to interpret input",
            "body.note string_type: Input should be a valid string",
            "body.extra dict_type: Input should be a valid dictionary",
            "body.tags.0 string_type: Input should be a valid string",
            "body.first model_attributes_type: Input should be a valid dictionary or object to extract \
         fields from",
            "body.lines.1.count greater_than_equal: Input should be greater than or equal to 1",
            "body.lines.1.size literal_error: Input should be 'small' or 'large'",
            "body.lines.2 model_attributes_type: Input should be a valid dictionary or object to extract \
         fields from",
            "body.lines.3.count missing: Field required",
        ]
    );
}

#[test]
fn the_root_must_be_an_object() {
    for value in [json!(null), json!([]), json!("x"), json!(1), json!(true)] {
        assert_eq!(short(read::<Order>(Part::Body, value)), ["body model_attributes_type"]);
    }
    let missing = ["query.email missing", "query.password missing", "query.name missing"];
    assert_eq!(short(read::<Order>(Part::Query, json!({}))), missing);
}

#[test]
fn booleans_are_lax() {
    for (value, meant) in [
        (json!(true), true),
        (json!("YES"), true),
        (json!("t"), true),
        (json!("on"), true),
        (json!(1), true),
        (json!(1.0), true),
        (json!("0"), false),
        (json!("oFf"), false),
        (json!(0.0), false),
        (json!("n"), false),
    ] {
        let order: Order = read(Part::Body, order(&json!({"gift": value}))).unwrap();
        assert_eq!(order.gift, meant, "{value}");
    }
    for (value, kind) in [
        (json!(""), "bool_parsing"),
        (json!(" true "), "bool_parsing"),
        (json!(2), "bool_parsing"),
        (json!(-1), "bool_parsing"),
        (json!(0.5), "bool_type"),
        (json!(null), "bool_type"),
        (json!([]), "bool_type"),
        (json!({}), "bool_type"),
    ] {
        let found = short(read::<Order>(Part::Body, order(&json!({"gift": value}))));
        assert_eq!(found, [format!("body.gift {kind}")], "{value}");
    }
}

#[test]
fn numbers_are_lax() {
    let line = |count: &Value, price: &Value| {
        read::<Line>(Part::Query, json!({"count": count, "price": price}))
    };
    for value in [json!(7), json!(7.0), json!("7"), json!("+7"), json!(" 007 "), json!("7.0")] {
        assert_eq!(line(&value, &json!("1_0.5")).unwrap().count, 7, "{value}");
    }
    assert_eq!(line(&json!(true), &json!(true)).unwrap().price, Some(1.0));
    for (value, kind) in [
        (json!("x"), "int_parsing"),
        (json!(""), "int_parsing"),
        (json!("1__0"), "int_parsing"),
        (json!("_1"), "int_parsing"),
        (json!("1."), "int_parsing"),
        (json!("0x1"), "int_parsing"),
        (json!(1.5), "int_from_float"),
        (json!(1e300), "int_parsing_size"),
        (json!("99999999999999999999999999999999"), "int_parsing_size"),
        (json!(null), "int_type"),
        (json!([]), "int_type"),
        (json!("1_0"), "less_than_equal"),
        (json!(-0.0), "greater_than_equal"),
    ] {
        assert_eq!(short(line(&value, &json!(null))), [format!("query.count {kind}")], "{value}");
    }
    for (value, kind) in
        [(json!("x"), "float_parsing"), (json!([]), "float_type"), (json!("inf"), "finite_number")]
    {
        assert_eq!(short(line(&json!(1), &value)), [format!("query.price {kind}")], "{value}");
    }
}

#[test]
fn lengths_count_characters() {
    let found = |field: &str, text: &str| {
        let found = faults(read::<Order>(Part::Body, order(&json!({field: text}))));
        found.into_iter().map(|fault| (fault.kind, fault.message)).collect::<Vec<_>>()
    };
    assert_eq!(found("password", "éééé"), []);
    assert_eq!(
        found("password", "ééééé"),
        [("string_too_long", "String should have at most 4 characters".to_owned())]
    );
    assert_eq!(
        found("name", ""),
        [("string_too_short", "String should have at least 1 character".to_owned())]
    );
    let value = order(&json!({"tags": ["a", "b", "c"]}));
    let found = faults(read::<Order>(Part::Body, value));
    assert_eq!(found[0].kind, "too_long");
    assert_eq!(found[0].message, "List should have at most 2 items after validation, not 3");
}

#[test]
fn text_holds_no_nul_and_a_line_no_break() {
    for (changes, expected) in [
        (json!({"note": "a\0b"}), "body.note value_error"),
        (json!({"name": "\0"}), "body.name value_error"),
        (json!({"name": "a\nb"}), "body.name value_error"),
        (json!({"name": "a\u{85}b"}), "body.name value_error"),
        (json!({"name": "a\u{2028}"}), "body.name value_error"),
        (json!({"tags": ["a\0"]}), "body.tags.0 value_error"),
        (json!({"extra": {"a": [{"b": "\0"}]}}), "body.extra value_error"),
        (json!({"extra": {"a": {"\0": 1}}}), "body.extra value_error"),
        (json!({"extra": {"\0": 1}}), "body.extra value_error"),
    ] {
        assert_eq!(short(read::<Order>(Part::Body, order(&changes))), [expected]);
    }
    assert!(read::<Order>(Part::Body, order(&json!({"note": "a\nb", "password": "\0\0"}))).is_ok());
}

#[test]
fn no_fault_holds_the_value() {
    let secret = "hunter2hunter2";
    for field in ["email", "password", "name", "gift", "first", "lines", "extra", "tags"] {
        let found = faults(read::<Order>(Part::Body, order(&json!({field: secret}))));
        assert_eq!(found.len(), 1, "{field}");
        assert!(!format!("{found:?}").contains(secret), "{found:?}");
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its faults are looked at")]
struct Closed {
    id: Option<String>,
    #[schema(format = "uuid")]
    key: Option<String>,
    #[schema(format = "date-time")]
    at: Option<String>,
    #[serde(default)]
    by_name: std::collections::HashMap<String, u8>,
}

#[test]
fn further_kinds() {
    let value = json!({"id": 1, "z": 2, "key": "x", "at": "today", "by_name": {"a": 1, "b": "x"}});
    assert_eq!(
        short(read::<Closed>(Part::Body, value)),
        [
            "body.id string_type",
            "body.key uuid_parsing",
            "body.at datetime_parsing",
            "body.by_name.b int_parsing",
            "body.z extra_forbidden",
        ]
    );
    let value = json!({
        "key": "01937a3e-0000-7000-8000-000000000000", "at": "2026-11-25T09:30:00.000001Z",
    });
    assert!(read::<Closed>(Part::Body, value).is_ok());
    // The schema allows it, the type does not: serde says so, at the place.
    let value = json!({"by_name": {"a": 300}});
    assert_eq!(short(read::<Closed>(Part::Body, value)), ["body.by_name.a value_error"]);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its faults are looked at")]
enum Either {
    Line(Line),
    Text(String),
    #[schema(no_recursion)]
    Both {
        left: Box<Either>,
        right: Box<Either>,
    },
}

#[test]
fn a_union_takes_any_choice_and_tells_the_nearest_one_s_faults() {
    let either = |value: Value| short(read::<Either>(Part::Body, value));
    for good in [json!("x"), json!({"count": "3"}), json!({"left": "x", "right": {"count": 1}})] {
        assert_eq!(either(good), [""; 0]);
    }
    assert_eq!(either(json!({"count": 10})), ["body.count less_than_equal"]);
    assert_eq!(either(json!([])), ["body model_attributes_type"]);
}

/// A value nested in itself, and a chain of references that never ends.
#[derive(Debug, Deserialize)]
struct Tree {}

impl PartialSchema for Tree {
    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("Branch").into()
    }
}

impl ToSchema for Tree {
    fn schemas(named: &mut Vec<(String, RefOr<Schema>)>) {
        let branch = ObjectBuilder::new()
            .property("name", ObjectBuilder::new().schema_type(Type::String))
            .property("child", Ref::from_schema_name("Branch"))
            .property("loop", Ref::from_schema_name("Loop"))
            .required("name");
        named.push(("Branch".to_owned(), branch.into()));
        named.push(("Loop".to_owned(), Ref::from_schema_name("Loop").into()));
    }
}

#[test]
fn schemas_may_contain_themselves() {
    let value = json!({"name": "a", "child": {"name": "b", "child": {"name": 1, "child": {}}}});
    assert_eq!(
        short(read::<Tree>(Part::Body, value)),
        ["body.child.child.name string_type", "body.child.child.child.name missing",]
    );
    let value = json!({"name": "a", "loop": 1});
    assert_eq!(short(read::<Tree>(Part::Body, value)), ["body.loop value_error"]);
}

/// A reference to nothing, and a rule that is not enforced.
#[derive(Debug, Deserialize)]
struct Broken {}

impl PartialSchema for Broken {
    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("Nowhere").into()
    }
}

impl ToSchema for Broken {}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "its schema is refused")]
struct Unenforced {
    #[schema(pattern = "^a+$")]
    text: String,
}

#[test]
fn a_schema_that_cannot_be_followed_is_a_fault_of_ours() {
    for error in [
        read::<Broken>(Part::Body, json!({})).map(|_| ()).unwrap_err(),
        read::<Unenforced>(Part::Body, json!({})).map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Internal(_)), "{error:?}");
    }
}

#[test]
fn faults_are_bounded() {
    let value = order(&json!({"lines": vec![1; 10_000]}));
    assert_eq!(short(read::<Order>(Part::Body, value)).len(), 128);
}

#[test]
fn bad_json_is_one_fault_at_a_character() {
    let found = faults(parse_json("{\"é\": 1, x}"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].loc, [Loc::Name("body".to_owned()), Loc::Index(9)]);
    assert_eq!((found[0].kind, found[0].message.as_str()), ("json_invalid", "JSON decode error"));
    assert_eq!(short(parse_json("1e999")), ["body.0 json_invalid"]);
}

#[test]
fn json_keeps_the_last_of_equal_keys_and_pairs_of_surrogates() {
    assert_eq!(parse_json("{\"a\":1,\"a\":2}").unwrap(), json!({"a": 2}));
    assert_eq!(parse_json("\"\\ud83d\\ude00\"").unwrap(), json!("😀"));
}

#[test]
fn json_nests_so_deep_and_no_deeper() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse_json(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(short(parse_json(&nested(MAX_DEPTH + 1))), ["body value_error"]);
    assert_eq!(short(parse_json(&"{\"a\":".repeat(100_000))), ["body value_error"]);
    // Brackets in a text are no levels.
    assert!(parse_json(&format!("\"\\\"{}\"", "[".repeat(100))).is_ok());
}

pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    let name = prop_oneof!["[a-z]{0,2}", "(email|name|gift|lines|count|price|size|left|right)"];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_walk_takes_any_value(value in any_json()) {
        for outcome in [
            read::<Order>(Part::Body, value.clone()).map(|_| ()),
            read::<Closed>(Part::Body, value.clone()).map(|_| ()),
            read::<Either>(Part::Body, value.clone()).map(|_| ()),
            read::<Tree>(Part::Body, value.clone()).map(|_| ()),
        ] {
            prop_assert!(matches!(outcome, Ok(()) | Err(Error::Invalid(_))));
        }
    }
}
