//! The server itself: its start, its routes, what stands around them, and its end.

use std::future::{Future, pending};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::to_bytes;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use tokio::signal::{ctrl_c, unix};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::app::{App, Shared};
use crate::backend::{Backend, Text};
use crate::metrics::Metrics;
use crate::refusal::{Refusable, Refusal, shape};
use crate::settings::Settings;
use crate::{completions, judge, pages, tokens, worker};

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a server could not start or go on: the system refuses threads, or the listener fails.
#[derive(Debug, thiserror::Error)]
#[error("the server cannot run: {0}")]
pub struct Error(#[from] std::io::Error);

/// Answers requests until `stop` is done and those that have begun are answered.
///
/// This thread computes with `backend`; a few threads of the server's own do the rest. Bind the listener before the model
/// is read, so that an address in use is found at once. Clients wait until then.
///
/// # Errors
///
/// If the system refuses threads, or the listener fails.
pub fn serve(
    listener: TcpListener,
    settings: Settings,
    text: impl Text + 'static,
    backend: &mut dyn Backend,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let threads = threads.worker_threads(2).enable_all().build()?;
    let (work, received) = unbounded_channel();
    let metrics = Arc::new(Metrics::new());
    let batch_tokens = settings.batch_tokens;
    let app = App {
        places: Semaphore::new(settings.queue),
        settings,
        text: Box::new(text),
        metrics: Arc::clone(&metrics),
        work,
        is_stopping: AtomicBool::new(false),
    };
    let server = threads.spawn(listen(listener, Arc::new(app), stop));
    // This ends when the last of the server's tasks has dropped its sender.
    worker::run(received, backend, batch_tokens, &metrics);
    let ended = threads.block_on(server);
    Ok(ended.unwrap_or_else(|panic| Err(panic.into()))?)
}

async fn listen(
    listener: TcpListener,
    app: Arc<App>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let patience = app.settings.patience;
    // Connections from now on inherit it: one whose client takes nothing for so long is closed.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&listener).set_tcp_user_timeout(Some(patience))?;
    let handle = Handle::new();
    let server = axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor::new());
    let server = server.http1_only().first_request_timeout(patience);
    let mut server = server.handle(handle.clone());
    server.http_builder().http1().header_read_timeout(patience);
    let stopped = async {
        stop.await;
        app.is_stopping.store(true, Ordering::Relaxed);
        handle.graceful_shutdown(Some(app.settings.stop_after));
        pending().await
    };
    tokio::select! {
        ended = server.serve(router(Arc::clone(&app)).into_make_service()) => ended,
        never = stopped => never,
    }
}

fn router(app: Arc<App>) -> Router {
    let late = StatusCode::GATEWAY_TIMEOUT;
    let deadline = TimeoutLayer::with_status_code(late, app.settings.deadline);
    let tokens = Router::new()
        .route("/tokenizer_info", get(tokens::info))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize));
    Router::new()
        .route("/v1/completions", post(completions::completions))
        .route("/v1/models", get(models))
        .route("/v1/judge", post(judge::judge))
        .route("/v1/judge/context", post(judge::context))
        .route("/metrics", get(metrics))
        .nest("/v1", tokens.clone())
        .merge(tokens)
        .route_layer(from_fn_with_state(Arc::clone(&app), admit))
        .route("/", get(pages::try_it))
        .route("/docs", get(pages::docs))
        .route("/openapi.json", get(pages::openapi))
        .route("/healthz", get(health))
        // From the inside out.
        .layer(DefaultBodyLimit::max(app.settings.max_body))
        .layer(deadline)
        .layer(CatchPanicLayer::new())
        .layer(map_response(shape))
        .layer(from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

/// Counts a request once it is answered.
async fn observe(State(app): Shared, request: Request, next: Next) -> Response {
    let (started, path) = (Instant::now(), request.extensions().get().cloned());
    let response = next.run(request).await;
    let route = path.as_ref().map_or("other", MatchedPath::as_str);
    let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    app.metrics.answered(route, status, seconds);
    response
}

/// Lets a request in if it has the token, there is room for it, and its body comes soon.
async fn admit(State(app): Shared, request: Request, next: Next) -> Refusable<Response> {
    let mut places = enter(&app, &request)?;
    let (parts, body) = request.into_parts();
    let most = app.settings.max_body;
    let read = timeout(app.settings.patience, to_bytes(body, most)).await;
    let late = |_| {
        let message = "the body did not come in time";
        Refusal::new(StatusCode::REQUEST_TIMEOUT, None, None, message)
    };
    let broken = |error: axum::Error| match error.to_string() {
        message if message.contains("length limit") => Refusal::too_large(),
        message => Refusal::new(StatusCode::BAD_REQUEST, None, None, message),
    };
    let body = read.map_err(late)?.map_err(broken)?;
    // Of a body of unknown size it was not known before.
    let needed = cost(&app.settings, &parts.method, body.len());
    drop(places.split(places.num_permits().saturating_sub(needed)));
    Ok(next.run(Request::from_parts(parts, body.into())).await)
}

/// How many places of the queue a request takes.
fn cost(settings: &Settings, method: &Method, size: usize) -> usize {
    let (queue, max_body) = (settings.queue, settings.max_body);
    match *method {
        Method::POST => (size * queue / (8 * max_body)).clamp(1, queue),
        // It costs nothing, so that one can look into a server that is full.
        _ => 0,
    }
}

fn enter<'a>(app: &'a App, request: &Request) -> Refusable<SemaphorePermit<'a>> {
    let header = |name| request.headers().get(name)?.to_str().ok();
    if let Some(token) = &app.settings.token {
        let sent = header(AUTHORIZATION).and_then(|it| it.split_once(' '));
        let (scheme, given) = sent.unwrap_or_default();
        let is_known: bool = given.as_bytes().ct_eq(token.as_bytes()).into();
        if !(is_known && scheme.eq_ignore_ascii_case("bearer")) {
            let message = "Authorization: expected a bearer token that this server knows";
            let code = Some("invalid_api_key");
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, code, None, message));
        }
    }
    let most = app.settings.max_body;
    let size = header(CONTENT_LENGTH).and_then(|size| size.parse().ok());
    let size: usize = size.unwrap_or(most);
    if size > most {
        return Err(Refusal::too_large());
    }
    let places = cost(&app.settings, request.method(), size);
    app.places.try_acquire_many(places as u32).map_err(|_| {
        let message = "the server has its hands full; ask again";
        let code = Some("overloaded");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, None, message)
    })
}

async fn models(State(app): Shared) -> Json<Value> {
    let model = |id| json!({"id": id, "object": "model", "created": 0, "owned_by": "likra"});
    let models: Vec<Value> = app.settings.models.iter().map(model).collect();
    Json(json!({"object": "list", "data": models}))
}

async fn metrics(State(app): Shared) -> Refusable<Response> {
    let places = app.settings.queue - app.places.available_permits();
    let text = app.metrics.text(places).map_err(Refusal::failed)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

async fn health(State(app): Shared) -> (StatusCode, &'static str) {
    let stopping = "the server is about to stop";
    match app.is_stopping.load(Ordering::Relaxed) {
        true => (StatusCode::SERVICE_UNAVAILABLE, stopping),
        false => (StatusCode::OK, "ok\n"),
    }
}

/// Done when the process is asked to stop: by SIGTERM, or by Ctrl-C.
pub async fn stop_signal() {
    let terminate = async {
        match unix::signal(unix::SignalKind::terminate()) {
            Ok(mut signals) => signals.recv().await,
            Err(_) => pending().await,
        }
    };
    tokio::select! {
        _ = terminate => {}
        _ = ctrl_c() => {}
    }
}
