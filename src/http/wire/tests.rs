//! The names and types that the document must show for the shared shapes.

use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use super::{ApiResponse, ClassName, HTTPValidationError, MetaResponse};
use crate::{
    clock::Timestamp,
    error::{Fault, Loc},
};

#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = some__module__LoginResponse)]
struct LoginResponse {
    status: String,
}

impl ClassName for LoginResponse {
    const CLASS_NAME: &'static str = "LoginResponse";
}

type LoginReply = ApiResponse<LoginResponse>;

#[utoipa::path(get, path = "/", responses(
    (status = 200, description = "", body = LoginReply),
    (status = 422, description = "", body = HTTPValidationError),
))]
#[expect(dead_code, reason = "only its description is looked at")]
fn login() {}

#[derive(OpenApi)]
#[openapi(paths(login))]
struct Document;

fn schemas() -> Value {
    let document = serde_json::to_value(Document::openapi()).unwrap();
    document["components"]["schemas"].clone()
}

#[test]
fn components_have_the_contract_s_names_and_no_others_come_along() {
    let schemas = schemas();
    let mut names: Vec<&String> = schemas.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "ApiResponse_LoginResponse_",
            "HTTPValidationError",
            "MetaResponse",
            "ValidationError",
            "some__module__LoginResponse",
        ]
    );
    let envelope = &schemas["ApiResponse_LoginResponse_"];
    let inner = json!({"$ref": "#/components/schemas/some__module__LoginResponse"});
    assert_eq!(envelope["properties"]["data"], inner);
    assert_eq!(
        envelope["properties"]["meta"],
        json!({"$ref": "#/components/schemas/MetaResponse"})
    );
    assert_eq!(envelope["required"], json!(["data"]));
}

#[test]
fn fields_have_the_contract_s_types() {
    let schemas = schemas();
    let fault = &schemas["ValidationError"];
    assert_eq!(fault["required"], json!(["loc", "msg", "type"]));
    assert_eq!(fault["properties"]["loc"]["type"], "array");
    let steps = fault["properties"]["loc"]["items"]["oneOf"].as_array().unwrap();
    assert_eq!((&steps[0]["type"], &steps[1]["type"]), (&json!("string"), &json!("integer")));
    let all = &schemas["HTTPValidationError"];
    assert_eq!(all["required"], Value::Null);
    let item = json!({"$ref": "#/components/schemas/ValidationError"});
    assert_eq!(all["properties"]["detail"]["items"], item);
    let meta = &schemas["MetaResponse"];
    assert_eq!(meta["required"], Value::Null);
    assert_eq!(meta["properties"]["request_id"]["type"], json!(["string", "null"]));
    assert_eq!(meta["properties"]["timestamp"]["type"], "string");
    assert_eq!(meta["properties"]["timestamp"]["format"], "date-time");
}

#[test]
fn answers_read_as_the_document_says() {
    let now = Timestamp::from_micros(1_764_000_000_000_001);
    let request = "req-1234";
    let reply = ApiResponse {
        data: LoginResponse { status: "ok".to_owned() },
        meta: MetaResponse::new(request, now),
    };
    let meta = json!({"request_id": request, "timestamp": now.rfc3339()});
    assert_eq!(
        serde_json::to_value(&reply).unwrap(),
        json!({"data": {"status": "ok"}, "meta": meta})
    );
    let fault = Fault {
        loc: vec![Loc::Name("body".to_owned()), Loc::Index(3)],
        kind: "json_invalid",
        message: "JSON decode error".to_owned(),
    };
    let refused = HTTPValidationError::from(vec![fault]);
    assert_eq!(
        serde_json::to_value(&refused).unwrap(),
        json!({"detail": [{"loc": ["body", 3], "msg": "JSON decode error", "type": "json_invalid"}]})
    );
}
