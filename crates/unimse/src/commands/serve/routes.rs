//! What is asked for by which path and method, and the checks that hold for every request.

use std::net::IpAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts as Head;
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use unimse_run::Answer;
use unimse_train::predict::Senses;

use super::explain::{Explanation, Parts};
use super::limits::{
    BODY_BYTES, BODY_TIME, DISCARDED_BYTES, LARGE_BODIES, LARGE_BYTES, PLACE_TIME,
};
use super::page::Page;
use super::problem::Problem;
use super::request::{self, Explain, Predict};
use super::worker::Queue;

/// What all connections share.
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// Utterances that the model reads before and after the current one.
    pub(super) context: (usize, usize),
    /// The features that are made of a clip.
    pub(super) senses: Senses,
    pub(super) page: Page,
    /// `openapi.json`.
    pub(super) openapi: String,
    /// Whether only this machine can ask: then the name it is asked by must be this machine's.
    pub(super) loopback: bool,
}

/// The answer to `POST /predict`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Predicted {
    /// One a row, in their order.
    answers: Vec<Answer>,
}

/// The answer to `GET /health`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// Version of the program.
    version: &'static str,
    /// Rows that wait for the model or are being answered.
    waiting: usize,
}

const JSON: &str = "application/json";

/// A body and its type.
type Content = (&'static str, String);

/// Answers a request, or says what is wrong with it.
pub(super) async fn respond(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    // the body first: who is still sending does not hear why it is refused
    let content = match collect(body).await {
        Ok(body) => route(shared, &head, body).await,
        Err(problem) => Err(problem),
    };
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, shared.page.policy.clone());
    let mut set = |name, value| drop(headers.insert(name, HeaderValue::from_static(value)));
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    match content {
        Ok((kind, text)) => {
            set(header::CONTENT_TYPE, kind);
            *response.body_mut() = Full::new(text.into());
        }
        Err(problem) => {
            set(header::CONTENT_TYPE, "application/problem+json");
            if let Some(methods) = problem.allow {
                set(header::ALLOW, methods);
            }
            if problem.status == StatusCode::SERVICE_UNAVAILABLE {
                set(header::RETRY_AFTER, "1");
            }
            *response.status_mut() = problem.status;
            *response.body_mut() = Full::new(problem.json().into());
        }
    }
    response
}

/// A place among the large bodies; it is free again when nothing of the body is left.
pub(super) type Place = SemaphorePermit<'static>;

/// A body that was read.
struct Received {
    bytes: Vec<u8>,
    /// Of a large one.
    place: Option<Place>,
}

/// A place for a large body; none where others hold all of them too long.
async fn place() -> Option<Place> {
    static PLACES: Semaphore = Semaphore::const_new(LARGE_BODIES);
    let place = tokio::time::timeout(PLACE_TIME, PLACES.acquire()).await;
    place.ok()?.ok()
}

/// The whole body, within the limits of size and time.
async fn collect(mut body: Incoming) -> Result<Received, Problem> {
    let reading = async {
        let (mut bytes, mut length, mut held) = (Vec::new(), 0, None);
        while let Some(frame) = body.frame().await {
            let broken = |error| Problem::new(StatusCode::BAD_REQUEST, format!("body: {error}"));
            let Ok(data) = frame.map_err(broken)?.into_data() else {
                continue; // a trailer
            };
            length += data.len();
            if length > LARGE_BYTES && held.is_none() {
                held = Some(place().await);
            }
            if length > DISCARDED_BYTES {
                break;
            } else if length > BODY_BYTES || matches!(held, Some(None)) {
                bytes = Vec::new(); // it is read to its end all the same
            } else {
                bytes.extend_from_slice(&data);
            }
        }
        if length > BODY_BYTES {
            let length = body
                .size_hint()
                .exact()
                .map_or(length, |rest| length + rest as usize);
            let detail = format!("expected a body of at most {BODY_BYTES} bytes, found {length}");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        if matches!(held, Some(None)) {
            let detail = format!(
                "expected a place for a body of more than {LARGE_BYTES} bytes within {PLACE_TIME:?}, found all {LARGE_BODIES} taken"
            );
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
        }
        let place = held.flatten();
        Ok(Received { bytes, place })
    };
    let late = |_| {
        let detail = format!("expected the body within {BODY_TIME:?}, found its beginning");
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    };
    tokio::time::timeout(BODY_TIME, reading)
        .await
        .map_err(late)?
}

async fn route(shared: &Shared, head: &Head, body: Received) -> Result<Content, Problem> {
    check_host(head, shared.loopback)?;
    let (path, method) = (head.uri.path(), &head.method);
    let allow = match path {
        "/" | "/health" | "/openapi.json" => "GET, HEAD",
        "/predict" | "/explain" => "POST",
        _ => {
            let detail = format!(
                "expected /, /predict, /explain, /health or /openapi.json, found {}",
                path.chars().take(100).collect::<String>()
            );
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        }
    };
    if !allow.split(", ").any(|allowed| allowed == method.as_str()) {
        let detail = format!("expected {allow} of {path}, found {method}");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail);
        return Err(Problem {
            allow: Some(allow),
            ..problem
        });
    }
    if *method == Method::POST {
        check_type(&head.headers)?;
    }
    match path {
        "/predict" => predict(shared, body).await,
        "/explain" => explain(shared, body).await,
        "/health" => json(&Health {
            status: "ok",
            version: env!("CARGO_PKG_VERSION"),
            waiting: shared.queue.waiting(),
        }),
        "/openapi.json" => Ok((JSON, shared.openapi.clone())),
        _ => Ok(("text/html; charset=utf-8", shared.page.html.clone())),
    }
}

async fn predict(shared: &Shared, body: Received) -> Result<Content, Problem> {
    let (context, senses) = (shared.context, shared.senses.clone());
    let inputs = move |body: &[u8]| request::parse::<Predict>(body)?.inputs(context, &senses);
    let (inputs, place) = parsed(body, inputs).await?;
    let reply = shared.queue.ask(inputs, None, place).await?;
    let answers = reply.answers.into_iter().map(|(answer, _)| answer);
    json(&Predicted {
        answers: answers.collect(),
    })
}

async fn explain(shared: &Shared, body: Received) -> Result<Content, Problem> {
    let (context, senses) = (shared.context, shared.senses.clone());
    let input = move |body: &[u8]| request::parse::<Explain>(body)?.input(context, &senses);
    let (input, place) = parsed(body, input).await?;
    let text = input.spoken.text.clone();
    let near = Some(text).filter(|text| !text.trim().is_empty());
    let parts = Parts::of(input, context);
    let reply = shared.queue.ask(parts.inputs, near, place).await?;
    let nothing = || {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the model gave no answer",
        )
    };
    json(&Explanation::new(parts.names, parts.unread, reply).ok_or_else(nothing)?)
}

/// Runs what reads a body, a clip in it perhaps, beside the connections. The place of a large body stays taken until it is read, even by a client
/// that has gone meanwhile.
async fn parsed<T: Send + 'static>(
    body: Received,
    work: impl FnOnce(&[u8]) -> Result<T, Problem> + Send + 'static,
) -> Result<(T, Option<Place>), Problem> {
    let stopped = |_| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the body could not be read",
        )
    };
    let reading = move || Ok((work(&body.bytes)?, body.place));
    tokio::task::spawn_blocking(reading)
        .await
        .map_err(stopped)?
}

fn json(content: &impl Serialize) -> Result<Content, Problem> {
    let text = serde_json::to_string(content);
    let failed = |error: serde_json::Error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    };
    Ok((JSON, text.map_err(failed)?))
}

/// A page of another origin whose name was made to mean this machine (DNS rebinding) asks by that name; one that posts says whence it comes.
fn check_host(head: &Head, loopback: bool) -> Result<(), Problem> {
    let text = |name| {
        head.headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let host = text(header::HOST).and_then(|host| host.parse::<Authority>().ok());
    let Some(host) = host else {
        let detail = "header Host: expected a host, found none";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    };
    if loopback && !is_this_machine(host.host()) {
        let detail = format!("header Host: expected localhost or a loopback address, found {host}");
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    match head.headers.get(header::ORIGIN) {
        Some(_) if text(header::ORIGIN) != Some(format!("http://{host}").as_str()) => {
            let detail = format!("header Origin: expected http://{host}, found another");
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
        _ => Ok(()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Result<IpAddr, _> = address.parse();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// JSON, and as it is: a form of another page cannot send that without being asked first.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let kind = text(header::CONTENT_TYPE).unwrap_or("none");
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let unread = |what: &str, expected: &str, found: &str| {
        let detail = format!("header {what}: expected {expected}, found {found}");
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
    };
    if !essence.eq_ignore_ascii_case(JSON) {
        return unread("Content-Type", JSON, kind);
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) => unread(
            "Content-Encoding",
            "none",
            encoding.to_str().unwrap_or("one"),
        ),
        None => Ok(()),
    }
}
