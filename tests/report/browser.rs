//! A headless Chromium, driven over the WebDriver protocol by chromedriver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page. Dropped, it is closed.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: PathBuf,
}

/// A key.
#[derive(Clone, Copy)]
pub enum Key {
    Up,
    Down,
    Left,
    Right,
    End,
    Enter,
    Space,
    Escape,
}

impl Key {
    /// Its code (WebDriver, 17.4.2).
    fn code(self) -> &'static str {
        match self {
            Self::Up => "\u{e013}",
            Self::Down => "\u{e015}",
            Self::Left => "\u{e012}",
            Self::Right => "\u{e014}",
            Self::End => "\u{e010}",
            Self::Enter => "\u{e007}",
            Self::Space => " ",
            Self::Escape => "\u{e00c}",
        }
    }
}

impl Browser {
    /// Starts one, or says what is missing.
    pub fn start() -> Result<Self, String> {
        let missing =
            |program: &str| format!("there is no {program} (Debian: chromium and chromium-driver, see ci/setup)");
        Command::new("chromium").arg("--version").output().map_err(|_| missing("chromium"))?;
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| missing("chromedriver"))?;
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let started = "was started successfully on port ";
        let port = lines.find_map(|line| line.ok()?.split_once(started)?.1.trim_end_matches('.').parse().ok());
        let port = port.expect("chromedriver says its port");
        // It says more now and then, and would stop once nobody reads it.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = std::env::temp_dir().join(format!("ike-interop-browser-{}", std::process::id()));
        let mut browser = Self { driver, port, session: String::new(), profile };
        let options = json!({
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1500,1000",
                format!("--user-data-dir={}", browser.profile.display()),
            ],
        });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let session = browser.request("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        Ok(browser)
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Runs a script in the page and gives what it returns.
    pub fn ask(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a script returns true.
    pub fn until(&self, script: &str) {
        let began = Instant::now();
        while self.ask(script) != Value::Bool(true) {
            assert!(began.elapsed() < PATIENCE, "never true: {script}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses keys, one after the other.
    pub fn press(&self, keys: &[Key]) {
        let press = |key: &Key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.code() }));
        let actions: Vec<Value> = keys.iter().flat_map(press).collect();
        self.post("actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }));
    }

    /// Shows the page as that medium and colour scheme would have it; an empty medium is the screen.
    pub fn emulate(&self, medium: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let parameters = json!({ "media": medium, "features": features });
        self.post("goog/cdp/execute", &json!({ "cmd": "Emulation.setEmulatedMedia", "params": parameters }));
    }

    /// Makes the page so many pixels wide.
    pub fn resize(&self, width: u32) {
        self.resize_to(width, 1000);
    }

    /// Makes the page so many pixels wide and high.
    pub fn resize_to(&self, width: u32, height: u32) {
        let parameters = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.post("goog/cdp/execute", &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": parameters }));
    }

    /// What the browser's console says.
    pub fn complaints(&self) -> Value {
        self.post("se/log", &json!({ "type": "browser" }))
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        self.request("POST", &format!("/session/{}/{command}", self.session), body)
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = body.to_string();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        let value = serde_json::from_slice::<Value>(&body).unwrap()["value"].take();
        assert!(value.get("error").is_none(), "{method} {path}: {value:#}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.request("DELETE", &format!("/session/{}", self.session), &json!({}));
        }
        // Both may be gone already.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
