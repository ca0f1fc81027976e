//! What can be read without a token: the page to try the models, and the description of the routes.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};

/// A page with its style and its script inside.
macro_rules! page {
    ($name:literal) => {
        concat!(
            include_str!("pages/head.html"),
            "<style>\n",
            include_str!("pages/style.css"),
            "</style>\n",
            include_str!(concat!("pages/", $name, ".html")),
            "<script>\n",
            include_str!(concat!("pages/", $name, ".js")),
            "</script>\n"
        )
    };
}

/// Pages load nothing, and ask only this server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn try_it() -> impl IntoResponse {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(page!("try")))
}

pub(crate) async fn docs() -> impl IntoResponse {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(page!("docs")))
}

pub(crate) async fn openapi() -> impl IntoResponse {
    let text = include_str!("pages/openapi.json");
    ([(CONTENT_TYPE, "application/json")], text)
}
