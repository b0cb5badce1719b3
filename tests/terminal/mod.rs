//! A program on a terminal of its own: a pseudo-terminal that `script` (bsdutils) opens, and the screen it draws there.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs, with its terminal.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: std::thread::JoinHandle<()>,
}

impl Terminal {
    /// Starts a command line of a shell on a terminal of that many rows and columns; `None` where there is no `script`.
    pub fn start(line: &str, rows: u16, columns: u16) -> Option<Self> {
        let sized = format!("stty rows {rows} cols {columns}; exec {line}");
        let mut command = Command::new("script");
        // What the test itself runs under is nothing the program is to speak to.
        for variable in ["NO_COLOR", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "CI_NODE_TOTAL", "JOB_COMPLETION_INDEX"] {
            command.env_remove(variable);
        }
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.args(["--quiet", "--return", "--command", &sized, "/dev/null"]).env("TERM", "xterm-256color");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let (keys, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 1000)));
        let drawn = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut octets) {
                drawn.lock().unwrap().process(&octets[..count]);
            }
        });
        Some(Self { child, keys, screen, reader })
    }

    /// What the screen shows, row by row.
    pub fn screen(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let rows = parser.screen().rows(0, parser.screen().size().1);
        rows.map(|row| format!("{}\n", row.trim_end())).collect()
    }

    /// Waits until the screen shows a text, and gives the whole of it.
    pub fn until(&self, text: &str) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "never shown: {text}\n{screen}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for the program's end, and gives its status and the screen it leaves.
    pub fn end(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if began.elapsed() > PATIENCE => panic!("it does not end:\n{}", self.screen()),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        while !self.reader.is_finished() {
            std::thread::sleep(Duration::from_millis(10));
        }
        (status.code(), self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves nobody at the terminal; without it the program ends too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
