//! Why a request gets no answer, in the form that clients of the completions API read.

use std::fmt::Display;

use axum::Json;
use axum::body::to_bytes;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What is there unless a request is refused.
pub(crate) type Refusable<T> = Result<T, Refusal>;

/// An answer as JSON.
pub(crate) type Answer<T = Value> = Refusable<Json<T>>;

/// Why a request gets no answer: a status and an error.
pub(crate) struct Refusal(StatusCode, Value);

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        code: Option<&str>,
        param: Option<&str>,
        message: impl Display,
    ) -> Self {
        let kind = match status.is_server_error() {
            true => "server_error",
            false => "invalid_request_error",
        };
        let message = message.to_string();
        let error = json!({"message": message, "type": kind, "param": param, "code": code});
        Self(status, json!({ "error": error }))
    }

    /// What was asked cannot be done.
    pub(crate) fn value(param: &str, why: impl Display) -> Self {
        let (code, why) = (Some("invalid_value"), format!("{param}: {why}"));
        Self::new(StatusCode::BAD_REQUEST, code, Some(param), why)
    }

    pub(crate) fn too_long(param: &str, found: usize, most: usize) -> Self {
        let code = Some("context_length_exceeded");
        let why = format!("{param}: {found} tokens; expected at most {most}");
        Self::new(StatusCode::BAD_REQUEST, code, Some(param), why)
    }

    pub(crate) fn too_large() -> Self {
        let message = "a body larger than the server takes; expected several smaller requests";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, None, None, message)
    }

    /// What was asked could not be done.
    pub(crate) fn failed(why: impl Display) -> Self {
        let why = format!("the answer could not be computed: {why}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Some("failed"), None, why)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (name, value) = match self.0 {
            StatusCode::SERVICE_UNAVAILABLE => (RETRY_AFTER, "1"),
            StatusCode::UNAUTHORIZED => (WWW_AUTHENTICATE, "Bearer"),
            status => return (status, Json(self.1)).into_response(),
        };
        (self.0, [(name, value)], Json(self.1)).into_response()
    }
}

/// Puts the errors of axum and its layers, which are plain text or nothing, into the same form.
pub(crate) async fn shape(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let is_json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
    if parts.status.as_u16() < 400 || parts.headers.get(CONTENT_TYPE).is_some_and(is_json) {
        return Response::from_parts(parts, body);
    }
    let said = to_bytes(body, 1 << 16).await.unwrap_or_default();
    let message = match parts.status {
        StatusCode::GATEWAY_TIMEOUT => "no answer within the server's deadline".into(),
        status if said.is_empty() => status.canonical_reason().unwrap_or("refused").into(),
        _ => String::from_utf8_lossy(&said).into_owned(),
    };
    let status = match parts.status {
        // Well-formed JSON of a wrong kind is a bad request to clients.
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        other => other,
    };
    let mut shaped = Refusal::new(status, None, None, message).into_response();
    if let Some(methods) = parts.headers.remove(ALLOW) {
        shaped.headers_mut().insert(ALLOW, methods);
    }
    shaped
}
