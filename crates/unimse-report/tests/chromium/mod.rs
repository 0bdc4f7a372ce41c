//! A headless Chromium to open pages in, over the DevTools protocol on a pipe: no port, no network, no library.

pub(crate) mod report;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

/// How long Chromium may take to answer one message.
const PATIENCE: Duration = Duration::from_secs(120);

/// Pixels that Chromium draws in one piece.
const MOST_DRAWN: f64 = 16_000.0;

/// The browser with one page.
pub(crate) struct Chromium {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// What the page complained of: exceptions, failed requests, what its policy refused.
    pub(crate) complaints: Vec<String>,
    /// Addresses that the page asked for.
    pub(crate) requests: Vec<String>,
    _profile: tempfile::TempDir,
}

/// Widths of a desk and of a telephone, each light and dark.
pub(crate) const SCREENS: [(u32, bool); 4] =
    [(1280, false), (1280, true), (390, false), (390, true)];

/// The script of axe-core, or a line on standard error that says that `test` was left out.
pub(crate) fn axe(test: &str) -> Option<String> {
    let Some(axe) = std::env::var_os("UNIMSE_AXE") else {
        eprintln!("left out: {test} needs the path of axe-core's axe.min.js in UNIMSE_AXE");
        return None;
    };
    Some(std::fs::read_to_string(axe).unwrap())
}

/// Chromium, or a line on standard error that says that `test` was skipped and how to get it.
pub(crate) fn chromium(test: &str) -> Option<Chromium> {
    let named = std::env::var_os("UNIMSE_CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let mut installed =
        std::env::split_paths(&path).flat_map(|folder| known.map(|name| folder.join(name)));
    let Some(program) = named.or_else(|| installed.find(|path| path.exists())) else {
        eprintln!(
            "skipped: {test} needs Chromium (apt-get install chromium, or its path in UNIMSE_CHROMIUM)"
        );
        return None;
    };
    Some(Chromium::start(&program))
}

impl Chromium {
    fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads the protocol from file 3 and answers on file 4.
        let mut process = Command::new("sh")
            .args([
                "-c",
                r#"exec "$0" "$@" 3<&0 4>&1 < /dev/null > /dev/null 2>&1"#,
            ])
            .arg(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, answers) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let (send, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                if send
                    .send(serde_json::from_slice(&message).unwrap())
                    .is_err()
                {
                    break;
                }
            }
        });
        let mut chromium = Self {
            process,
            to,
            from,
            session: None,
            last: 0,
            complaints: Vec::new(),
            requests: Vec::new(),
            _profile: profile,
        };
        let target = chromium.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = chromium.call("Target.attachToTarget", attach);
        chromium.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            chromium.call(&format!("{domain}.enable"), json!({}));
        }
        chromium
    }

    /// Calls a method of the protocol.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let answer = self.next();
            if answer["id"] == json!(self.last) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// The next message, noted where it is a complaint or a request.
    fn next(&mut self) -> Value {
        let message = self.from.recv_timeout(PATIENCE).expect("Chromium answers");
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(params.to_string()),
            Some("Runtime.consoleAPICalled") if params["type"] == "error" => {
                self.complaints.push(params.to_string())
            }
            Some("Log.entryAdded") => self.complaints.push(params["entry"].to_string()),
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                self.requests.push(url.to_owned());
            }
            _ => {}
        }
        message
    }

    /// Sets the size of the window, and whether the reader prefers dark.
    pub(crate) fn show(&mut self, width: u32, dark: bool) {
        let size =
            json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Opens the page in a file anew and waits until it is there; its address.
    pub(crate) fn open(&mut self, page: &Path, fragment: &str) -> String {
        let url = format!("file://{}{fragment}", page.display());
        self.visit(&url);
        url
    }

    /// Opens an address anew and waits until its page is there.
    pub(crate) fn visit(&mut self, url: &str) {
        // another fragment of the same page would not load it again
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.complaints.clear();
        self.requests.clear();
        self.call("Page.navigate", json!({"url": url}));
        let ready = "document.readyState === 'complete' && location.protocol !== 'about:'";
        for _ in 0..1_000 {
            if self.value(ready) == json!(true) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{url} does not load");
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(
            result.get("exceptionDetails").is_none(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Puts a picture of the page, shown as `show` says, beside those that the integration keeps.
    pub(crate) fn keep(&mut self, kind: &str, (width, dark): (u32, bool)) {
        let scheme = if dark { "dark" } else { "light" };
        let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-pages");
        self.screenshot(&shots.join(format!("{kind}-{width}-{scheme}.png")));
    }

    /// The whole page as a PNG file, as far down as Chromium draws in one piece.
    fn screenshot(&mut self, path: &Path) {
        let size = self.call("Page.getLayoutMetrics", json!({}));
        let size = &size["cssContentSize"];
        let height = size["height"].as_f64().unwrap().min(MOST_DRAWN);
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1});
        let shot = json!({"captureBeyondViewport": true, "clip": clip});
        let shot = self.call("Page.captureScreenshot", shot);
        let png = BASE64_STANDARD.decode(shot["data"].as_str().unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, png.unwrap()).unwrap();
    }

    /// Fails where the page complained or asked for anything that does not lie at `address`; what asks no one, its own memory and the browser's pictures of
    /// a player, aside.
    pub(crate) fn assert_quiet(&self, address: &str) {
        assert_eq!(self.complaints, [""; 0]);
        let address = address.split('#').next().unwrap();
        let own = |asked: &&String| {
            let asked = asked.strip_prefix("blob:").unwrap_or(asked.as_str());
            let asks_no_one = asked == "about:blank" || asked.starts_with("data:");
            asked.starts_with(address) || asks_no_one
        };
        let beyond: Vec<&String> = self.requests.iter().filter(|asked| !own(asked)).collect();
        assert!(beyond.is_empty(), "{beyond:?}");
    }

    /// Fails where the page, shown as `show` says, is wider than the screen or of the other scheme.
    pub(crate) fn assert_fits(&mut self, (width, dark): (u32, bool)) {
        let beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(self.value(beyond), json!(0), "at {width} pixels");
        let inner = self.value("innerWidth");
        assert_eq!(inner, json!(width), "nothing makes the screen wider");
        let light =
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(c => c > 127)";
        assert_eq!(self.value(light), json!(!dark));
        let thin = "[...document.querySelectorAll('td')].filter(td => td.textContent.length > 12 && td.checkVisibility() && td.clientWidth < 30).map(td => td.textContent)";
        assert_eq!(self.value(thin), json!([]), "cells a letter or two wide");
        let landmarks = "['header', 'nav', 'main', 'footer'].map(tag => document.querySelectorAll('body > ' + tag).length)";
        assert_eq!(self.value(landmarks), json!([1, 1, 1, 1]));
        let dead = "[...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.getAttribute('href'))).length";
        assert_eq!(self.value(dead), json!(0));
    }

    /// Fails where axe-core, whose script is `axe`, finds a violation in the page.
    pub(crate) fn assert_accessible(&mut self, axe: &str, screen: (u32, bool)) {
        self.value(&format!("{axe}; 0"));
        let run = "axe.run().then(found => found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary}`)))";
        let (width, dark) = screen;
        assert_eq!(self.value(run), json!([]), "{width} pixels, dark: {dark}");
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str) {
        let text = match key {
            "Enter" => Some("\r"),
            one if one.chars().count() == 1 => Some(one),
            _ => None,
        };
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            _ => 0,
        };
        let mut down = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if let Some(text) = text {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", down);
        self.call(
            "Input.dispatchKeyEvent",
            json!({"type": "keyUp", "key": key}),
        );
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
