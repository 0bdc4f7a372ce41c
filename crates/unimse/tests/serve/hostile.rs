//! What careless and hostile clients send, and how they leave.

use std::io::Write;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use super::client::Response;
use super::{rows_body, server};
use crate::waves;

/// Rows that are refused: the status, the field, and words of the detail.
fn spoiled_rows() -> Vec<(Value, u16, &'static str, &'static str)> {
    let long = "long ".repeat(200_000);
    let broken = BASE64_STANDARD.encode(b"RIFF????WAVEfmt ");
    let mut odd = waves::wave(&[0; 100]);
    odd[24..28].copy_from_slice(&7_u32.to_le_bytes()); // samples a second
    let minutes = BASE64_STANDARD.encode(waves::wave(&vec![0; 16_000 * 61]));
    let dim = json!([[1.0, 2.0]]);
    vec![
        (json!({}), 422, "text", "missing"),
        (json!({"text": ""}), 422, "text", "found nothing"),
        (json!({"text": 5}), 422, "text", "expected text, found 5"),
        (json!({"text": long}), 413, "text", "found 1000000"),
        (
            json!({"text": "a", "context": 1}),
            422,
            "context",
            "expected a list",
        ),
        (
            json!({"text": "a", "audio": "/etc/hostname"}),
            422,
            "audio",
            "no file is read here",
        ),
        (json!({"text": "a", "audio": dim}), 422, "audio", "found 2"),
        (
            json!({"text": "a", "audio": {"wav": "?"}}),
            422,
            "audio",
            "expected base64",
        ),
        (
            json!({"text": "a", "audio": {"wav": broken}}),
            422,
            "audio",
            "truncated",
        ),
        (
            json!({"text": "a", "audio": {"wav": BASE64_STANDARD.encode(odd)}}),
            422,
            "audio",
            "7 Hz",
        ),
        (
            json!({"text": "a", "audio": {"wav": minutes}}),
            413,
            "audio",
            "at most 6000 steps",
        ),
        (
            json!({"text": "a", "dialogue_id": "d", "turn": 0.5}),
            422,
            "turn",
            "whole number",
        ),
    ]
}

/// Rows with clips that are refused.
fn spoiled_clips() -> Vec<(Value, u16, &'static str, &'static str)> {
    let text = BASE64_STANDARD.encode("no film at all");
    let tone: Vec<i16> = (0..16_000 * 61).map(|t| (t % 100) as i16 * 80).collect();
    let loud = BASE64_STANDARD.encode(waves::wave(&tone));
    vec![
        (
            json!({"text": "a", "clip": "/etc/hostname"}),
            422,
            "clip",
            "no file is read here",
        ),
        (
            json!({"text": "a", "clip": {"base64": "?"}}),
            422,
            "clip",
            "expected base64",
        ),
        (
            json!({"text": "a", "clip": {"base64": text}}),
            422,
            "clip",
            "expected a wav, flac, mp3, ogg, m4a or mp4 file in base64, found something else",
        ),
        (
            json!({"text": "a", "clip": {"base64": loud}}),
            422,
            "clip",
            "expected at most 60 s of a clip",
        ),
    ]
}

#[test]
fn what_is_wrong_with_a_row_is_said_with_its_place() {
    let server = server();
    for (row, status, field, words) in spoiled_rows().into_iter().chain(spoiled_clips()) {
        let good = json!({"text": "good"});
        let response = server.post("/predict", &rows_body(&[good, row.clone()]));
        let problem = response.json();
        assert_eq!(response.status, status, "{problem}");
        assert_eq!(
            response.header("Content-Type"),
            Some("application/problem+json")
        );
        assert_eq!(
            problem["pointer"],
            json!(format!("/rows/1/{field}")),
            "{problem}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{words:?} not in {detail}");
        let one = json!({ "row": row }).to_string();
        let response = server.post("/explain", one.as_bytes());
        assert_eq!(
            (response.status, response.json()["pointer"].clone()),
            (status, json!(format!("/row/{field}")))
        );
    }
}

#[test]
fn what_is_no_body_of_rows_is_refused() {
    let server = server();
    let bodies: [(&[u8], u16); 7] = [
        (b"", 400),
        (b"{\"rows\": [", 400),
        (b"{\"rows\": [{\"text\": \"a\", \"audio\": [NaN]}]}", 400),
        (b"\xff\xfe", 400),
        (b"{\"rows\": [{\"text\": \"a\"}], \"explain\": true}", 422),
        (b"{\"rows\": []}", 422),
        (b"[1]", 422),
    ];
    for (body, status) in bodies {
        let response = server.post("/predict", body);
        assert_eq!(response.status, status, "{}", response.body);
    }
    let many = rows_body(&vec![json!({"text": "a"}); 257]);
    assert_eq!(server.post("/predict", &many).status, 413);
    let deep = [
        b"{\"rows\": [{\"text\": \"a\", \"x\": ".to_vec(),
        vec![b'['; 100_000],
    ]
    .concat();
    assert_eq!(server.post("/predict", &deep).status, 400);
    let large = vec![b' '; (16 << 20) + 1];
    let response = server.post("/predict", &large);
    assert_eq!(response.status, 413);
    assert!(
        response.body.contains("found 16777217"),
        "{}",
        response.body
    );
    assert_eq!(server.get("/health").answered()["waiting"], 0);
}

#[test]
fn paths_methods_types_and_hosts_are_checked() {
    let server = server();
    let body = rows_body(&[json!({"text": "a"})]);
    let json = ("Content-Type", "application/json");
    let port = server.address.port();
    let (own, named) = (
        format!("http://{}", server.address),
        format!("localhost:{port}"),
    );
    for (line, headers, status) in [
        ("GET /nowhere", vec![], 404),
        ("GET /../etc/passwd", vec![], 404),
        ("GET /predict", vec![], 405),
        ("DELETE /", vec![], 405),
        ("OPTIONS /predict", vec![], 405),
        ("POST /predict", vec![("Content-Type", "text/plain")], 415),
        ("POST /predict", vec![], 415),
        (
            "POST /predict",
            vec![json, ("Content-Encoding", "gzip")],
            415,
        ),
        ("POST /predict", vec![json, ("Host", "evil.example")], 421),
        (
            "POST /predict",
            vec![json, ("Host", "127.0.0.1.evil.example:80")],
            421,
        ),
        ("POST /predict", vec![json, ("Host", "a b")], 400),
        (
            "POST /predict",
            vec![json, ("Origin", "http://evil.example")],
            403,
        ),
        ("POST /predict", vec![json, ("Origin", "null")], 403),
        ("POST /predict", vec![json, ("Origin", own.as_str())], 200),
        ("POST /predict", vec![json, ("Host", named.as_str())], 200),
        (
            "POST /predict",
            vec![("Content-Type", "application/json; charset=utf-8")],
            200,
        ),
        ("GET /", vec![("Host", "evil.example")], 421),
    ] {
        let response = server.send(line, &headers, &body);
        assert_eq!(
            response.status, status,
            "{line} {headers:?}: {}",
            response.body
        );
        assert_eq!(response.header("Allow").is_some(), status == 405);
    }
}

#[test]
fn the_page_may_ask_nobody_but_the_server() {
    let server = server();
    let page = server.get("/");
    let policy = page.header("Content-Security-Policy").unwrap().to_owned();
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("X-Content-Type-Options"), Some("nosniff"));
    let openapi = server.get("/openapi.json").answered();
    assert_eq!(openapi["openapi"], "3.1.0");
    let head = server.send("HEAD /", &[], b"");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn two_hundred_clients_at_once_get_each_their_own_answer() {
    let server = server();
    let ask = |at: usize| {
        let text = format!("client {at}");
        let found = server.post("/predict", &rows_body(&[json!({"text": text, "at": at})]));
        let answer = found.answered()["answers"][0].clone();
        assert_eq!((&answer["text"], &answer["at"]), (&json!(text), &json!(at)));
    };
    std::thread::scope(|scope| {
        for at in 0..200 {
            scope.spawn(move || ask(at));
        }
    });
    assert_eq!(server.get("/health").answered()["waiting"], 0);
}

#[test]
fn a_full_queue_says_when_to_ask_again() {
    let server = server();
    let rows: Vec<Value> = (0..256)
        .map(|at| json!({"text": format!("row {at}")}))
        .collect();
    let body = rows_body(&rows);
    let responses: Vec<Response> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| server.post("/predict", &body)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });
    let full: Vec<&Response> = responses.iter().filter(|r| r.status == 503).collect();
    let done = responses.iter().filter(|r| r.status == 200).count();
    assert_eq!(done + full.len(), 16);
    // 1,024 rows wait at most: of sixteen requests of 256, four find a place at once
    assert!(done >= 4 && !full.is_empty(), "{done} were answered");
    assert!(full.iter().all(|r| r.header("Retry-After") == Some("1")));
    assert_eq!(server.get("/health").answered()["waiting"], 0);
}

#[test]
fn large_bodies_take_turns_and_small_ones_do_not_wait_for_them() {
    let server = server();
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.address,
        1 << 20
    );
    let begun = [head.as_bytes(), &[b' '; 300 << 10]].concat();
    let mut holders = [server.connect(), server.connect()];
    for stream in &mut holders {
        stream.write_all(&begun).unwrap(); // and never ends
    }
    std::thread::sleep(Duration::from_millis(500));
    let row = |note: usize| json!({"text": "a note", "note": "x".repeat(note)});
    let large = rows_body(&[row(300 << 10)]);
    std::thread::scope(|scope| {
        let third = scope.spawn(|| server.post("/predict", &large));
        let start = Instant::now();
        let _ = server.post("/predict", &rows_body(&[row(9)])).answered();
        assert!(start.elapsed() < Duration::from_secs(9), "it did not wait");
        let third = third.join().unwrap();
        assert_eq!(third.status, 503);
        assert_eq!(third.header("Retry-After"), Some("1"));
        let detail = third.json()["detail"].to_string();
        assert!(detail.contains("found all 2 taken"), "{detail}");
    });
    drop(holders);
    let answer = server.post("/predict", &large).answered();
    assert_eq!(
        answer["answers"][0]["note"].as_str().unwrap().len(),
        300 << 10
    );
}

#[test]
fn clients_that_hang_up_or_never_finish_stop_nobody() {
    let server = server();
    let body = rows_body(&vec![json!({"text": "gone"}); 50]);
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    for sent in [
        &head.as_bytes()[..30],
        head.as_bytes(),
        &[head.as_bytes(), &body[..40]].concat(),
        &[head.as_bytes(), &body].concat(),
        b"\0\xff nonsense\r\n\r\n",
    ] {
        for _ in 0..5 {
            server.connect().write_all(sent).unwrap(); // and hangs up
        }
    }
    // slow heads take every place; each is closed in time, and then the next is served
    let start = Instant::now();
    let mut slow: Vec<_> = (0..64).map(|_| server.connect()).collect();
    for stream in &mut slow {
        stream.write_all(&head.as_bytes()[..20]).unwrap();
    }
    let answer = server
        .post("/predict", &rows_body(&[json!({"text": "still there"})]))
        .answered();
    assert_eq!(answer["answers"][0]["text"], "still there");
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_signal_lets_requests_under_way_finish() {
    for signal in ["INT", "TERM"] {
        let mut server = server();
        let body = rows_body(&vec![json!({"text": "under way"}); 256]);
        let head = format!(
            "POST /predict HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            server.address,
            body.len()
        );
        let mut stream = server.connect();
        let (begun, rest) = body.split_at(100);
        stream
            .write_all(&[head.as_bytes(), begun].concat())
            .unwrap();
        let idle = server.connect(); // that says nothing keeps nobody waiting
        std::thread::sleep(Duration::from_millis(300));
        server.signal(signal);
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(rest).unwrap();
        let answers = Response::read(stream).answered();
        assert_eq!(answers["answers"].as_array().unwrap().len(), 256);
        let start = Instant::now();
        assert_eq!(server.process.wait().unwrap().code(), Some(130), "{signal}");
        assert!(start.elapsed() < Duration::from_secs(4));
        assert!(std::net::TcpStream::connect(server.address).is_err());
        drop(idle);
    }
}
