//! Checkpoints by name, against a server in this process that answers as the Hub does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use unimse_model::hub::Hub;

/// Serves the files of one revision of `tiny/model`; large files by a redirect, as from its storage.
struct Server {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

fn serve(files: &[(&str, &str)], token: Option<&'static str>) -> Server {
    let files: BTreeMap<String, String> = files
        .iter()
        .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = requests.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &files, token, &log);
        }
    });
    Server { endpoint, requests }
}

fn answer(
    mut stream: TcpStream,
    files: &BTreeMap<String, String>,
    token: Option<&str>,
    log: &Mutex<Vec<String>>,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map(|line| line.unwrap());
    let Some(first) = lines.next() else { return };
    let target = first.split(' ').nth(1).unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.split_once(": ")
                .map(|(k, v)| (k.to_lowercase(), v.to_owned()))
        })
        .collect();
    log.lock().unwrap().push(target.clone());
    let mut reply = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}").unwrap();
    };
    if token.is_some_and(|t| headers.get("authorization") != Some(&format!("Bearer {t}"))) {
        return reply("401 Unauthorized", "", "gated");
    }
    let stored = target.strip_prefix("/storage/");
    let name = stored.or_else(|| target.strip_prefix("/tiny/model/resolve/main/"));
    let Some((name, text)) = name.and_then(|name| files.get_key_value(name)) else {
        return reply("404 Not Found", "", "no such file");
    };
    let about = format!("X-Repo-Commit: {REVISION}\r\nETag: \"etag-of-{name}\"\r\n");
    if stored.is_none() && name.ends_with(".safetensors") {
        return reply(
            "307 Temporary Redirect",
            &format!("{about}Location: /storage/{name}\r\n"),
            "",
        );
    }
    // "bytes=0-0" asks for the size, "bytes=0-" for all of it.
    let (from, to) = headers["range"]
        .strip_prefix("bytes=")
        .unwrap()
        .split_once('-')
        .unwrap();
    let (from, last) = (
        from.parse::<usize>().unwrap(),
        to.parse().unwrap_or(text.len() - 1),
    );
    let range = format!(
        "{about}Content-Range: bytes {from}-{last}/{}\r\n",
        text.len()
    );
    reply("206 Partial Content", &range, &text[from..=last]);
}

fn hub(server: &Server, cache: &tempfile::TempDir) -> Hub {
    Hub {
        cache: cache.path().join("hub"),
        endpoint: Some(server.endpoint.clone()),
        token: None,
    }
}

#[test]
fn a_checkpoint_is_fetched_once() {
    let server = serve(
        &[
            ("config.json", "{\"a\": 1}"),
            ("tokenizer.json", "{\"b\": 2}"),
            ("model.safetensors", "weights"),
        ],
        None,
    );
    let cache = tempfile::tempdir().unwrap();
    let folder = hub(&server, &cache).resolve("tiny/model").unwrap();
    assert!(folder.ends_with(REVISION));
    let text = |file| std::fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(text("config.json"), "{\"a\": 1}");
    assert_eq!(text("tokenizer.json"), "{\"b\": 2}");
    assert_eq!(text("model.safetensors"), "weights");

    let before = server.requests.lock().unwrap().len();
    assert_eq!(hub(&server, &cache).resolve("tiny/model").unwrap(), folder);
    assert_eq!(
        server.requests.lock().unwrap().len(),
        before,
        "the second time comes from the cache"
    );
}

#[test]
fn a_sentence_encoder_comes_with_its_pooling() {
    let files = [
        ("config.json", "{}"),
        ("tokenizer.json", "{}"),
        ("model.safetensors", "weights"),
        (
            "1_Pooling/config.json",
            "{\"pooling_mode_cls_token\": true}",
        ),
    ];
    let server = serve(&files, None);
    let cache = tempfile::tempdir().unwrap();
    // A cache that another tool filled lacks the file; it is asked for all the same.
    let plain = hub(&server, &cache).resolve("tiny/model").unwrap();
    assert!(!plain.join("1_Pooling").exists());
    let folder = hub(&server, &cache).resolve_encoder("tiny/model").unwrap();
    assert_eq!(folder, plain);
    let text = std::fs::read_to_string(folder.join("1_Pooling/config.json")).unwrap();
    assert_eq!(text, files[3].1);
    let before = server.requests.lock().unwrap().len();
    hub(&server, &cache).resolve_encoder("tiny/model").unwrap();
    assert_eq!(server.requests.lock().unwrap().len(), before);

    // That there is none is asked once, too; unasked it is an error, not a guess.
    let server = serve(&files[..3], None);
    let cache = tempfile::tempdir().unwrap();
    let folder = hub(&server, &cache).resolve("tiny/model").unwrap();
    let mut offline = hub(&server, &cache);
    offline.endpoint = Some("http://127.0.0.1:9".to_owned());
    let error = offline.resolve_encoder("tiny/model").unwrap_err();
    assert!(error.to_string().contains("mean or cls"), "{error}");
    let found = hub(&server, &cache).resolve_encoder("tiny/model").unwrap();
    assert_eq!((&found, found.join("1_Pooling").exists()), (&folder, false));
    assert_eq!(offline.resolve_encoder("tiny/model").unwrap(), folder);
}

#[test]
fn shards_come_with_their_index() {
    let index = r#"{"weight_map": {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}}"#;
    let server = serve(
        &[
            ("config.json", "{}"),
            ("tokenizer.json", "{}"),
            ("model.safetensors.index.json", index),
            ("model-00001-of-00002.safetensors", "one"),
            ("model-00002-of-00002.safetensors", "two"),
        ],
        None,
    );
    let cache = tempfile::tempdir().unwrap();
    let folder = hub(&server, &cache).resolve("tiny/model").unwrap();
    assert_eq!(
        std::fs::read_to_string(folder.join("model-00002-of-00002.safetensors")).unwrap(),
        "two"
    );
}

#[test]
fn an_index_cannot_name_files_elsewhere() {
    let index = r#"{"weight_map": {"x": "../../../evil.safetensors"}}"#;
    let server = serve(
        &[
            ("config.json", "{}"),
            ("tokenizer.json", "{}"),
            ("model.safetensors.index.json", index),
        ],
        None,
    );
    let cache = tempfile::tempdir().unwrap();
    let error = hub(&server, &cache)
        .resolve("tiny/model")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("weight_map") && error.contains("evil"),
        "{error}"
    );
}

#[test]
fn a_token_opens_a_gated_model() {
    let files = [
        ("config.json", "{}"),
        ("tokenizer.json", "{}"),
        ("model.safetensors", "w"),
    ];
    let server = serve(&files, Some("secret"));
    let cache = tempfile::tempdir().unwrap();
    let closed = hub(&server, &cache)
        .resolve("tiny/model")
        .unwrap_err()
        .to_string();
    assert!(
        closed.contains("401") && closed.contains("HF_TOKEN"),
        "{closed}"
    );
    let open = Hub {
        token: Some("secret".to_owned()),
        ..hub(&server, &cache)
    };
    assert!(
        open.resolve("tiny/model")
            .unwrap()
            .join("model.safetensors")
            .exists()
    );
}

#[test]
fn what_is_lacking_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let check = |files: &[(&str, &str)], name: &str, expected: &[&str]| {
        let error = hub(&serve(files, None), &tempfile::tempdir().unwrap())
            .resolve(name)
            .unwrap_err()
            .to_string();
        for part in expected {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    };
    check(
        &[],
        "tiny/other",
        &["tiny/other", "config.json", "HF_ENDPOINT"],
    );
    check(
        &[("config.json", "{}")],
        "tiny/model",
        &["tokenizer.json", "save_pretrained"],
    );
    check(
        &[("config.json", "{}"), ("tokenizer.json", "{}")],
        "tiny/model",
        &["safetensors", "save_pretrained"],
    );
    check(&[], "no/such/folder", &["no/such/folder", "no such folder"]);

    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let offline = Hub {
        cache: cache.path().to_owned(),
        endpoint: Some(format!("http://{gone}")),
        token: None,
    };
    let error = offline.resolve("tiny/model").unwrap_err().to_string();
    assert!(
        error.contains("tiny/model") && error.contains("name that folder"),
        "{error}"
    );
}

#[test]
fn a_local_folder_wins() {
    let server = serve(&[], None);
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("mine");
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(
        hub(&server, &cache)
            .resolve(folder.to_str().unwrap())
            .unwrap(),
        folder
    );
    assert!(server.requests.lock().unwrap().is_empty());
}
