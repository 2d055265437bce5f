//! A headless Chromium that is spoken to over a pipe, in the protocol of its developer tools: JSON that ends with a zero byte.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

pub struct Browser {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Of the last call.
    number: u64,
    session: Option<String>,
    profile: PathBuf,
}

/// One number or word of the page.
#[derive(Debug, serde::Deserialize)]
pub struct Figure {
    pub text: String,
    /// How it is written, such as `money`.
    pub format: String,
    /// What stands beside and above it: the row and the column of a table, or the term of a list.
    pub label: String,
}

const FIGURES: &str = "Object.fromEntries([...document.querySelectorAll('[data-figure]')].map(element => {
    const row = element.closest('tbody tr');
    const above = row && element.closest('table').tHead.rows[0].cells[element.cellIndex];
    const label = row && element.cellIndex > 0 ? row.cells[0].innerText + ' / ' + above.innerText
        : element.tagName === 'DD' ? element.previousElementSibling.innerText : '';
    return [element.dataset.figure, { text: element.innerText.trim(), format: element.dataset.format ?? '', label }];
}))";

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// How long the page may take to show something. It looks every half second; a busy machine is slower.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the browser may take for one call, its start included.
const CALL: Duration = Duration::from_secs(60);

impl Browser {
    /// With an empty page; or `None` after saying that the test is skipped.
    pub async fn start(test: &str) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .flat_map(|folder| NAMES.map(|name| folder.join(name)))
            .find(|program| program.is_file());
        let Some(program) = found else {
            let is_required = std::env::var("WINDBREAK_CHROMIUM_REQUIRED").is_ok_and(|value| value == "1");
            assert!(!is_required, "no Chromium is installed, and WINDBREAK_CHROMIUM_REQUIRED is 1");
            // Past the harness, which shows the output of tests that fail only.
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no Chromium is installed");
            return None;
        };
        let profile = std::env::temp_dir().join(format!("payments-browser-{}-{test}", std::process::id()));
        // The browser reads calls from descriptor 3 and writes to 4.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#]).arg(program);
        command.args(["--headless", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]);
        // Root has no sandbox. It opens our own page only.
        command.args(["--no-sandbox", "--window-size=1280,900"]).arg(format!("--user-data-dir={}", profile.display()));
        let command = command.arg("about:blank").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("the browser starts");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut browser = Self { process, input, output, number: 0, session: None, profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        Some(browser)
    }

    pub async fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut call = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let mut bytes = call.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).await.expect("the browser listens");
        timeout(CALL, self.result(method)).await.expect("the browser answers")
    }

    /// Of the call with the last number. Events are passed over.
    async fn result(&mut self, method: &str) -> Value {
        loop {
            let mut bytes = Vec::new();
            self.output.read_until(0, &mut bytes).await.expect("the browser speaks");
            assert_eq!(bytes.pop(), Some(0), "the browser has ended during {method}");
            let mut told: Value = serde_json::from_slice(&bytes).expect("JSON");
            if told["id"] == self.number {
                assert_eq!(told.get("error"), None, "{method}");
                return told["result"].take();
            }
        }
    }

    /// The value of an expression in the page.
    pub async fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let mut result = self.call("Runtime.evaluate", parameters).await;
        assert_eq!(result.get("exceptionDetails"), None, "{expression}");
        result["result"]["value"].take()
    }

    /// What a person reads in the first element that `selector` names. Empty if there is none.
    pub async fn text(&mut self, selector: &str) -> String {
        let expression = format!("document.querySelector({})?.innerText ?? ''", json!(selector));
        self.value(&expression).await.as_str().expect("text").to_owned()
    }

    /// Waits until what a person reads there is `wanted`.
    pub async fn shows(&mut self, selector: &str, wanted: impl Fn(&str) -> bool) {
        let begin = Instant::now();
        loop {
            let text = self.text(selector).await;
            if wanted(&text) {
                return;
            }
            let all = if begin.elapsed() > PATIENCE { self.text("body").await } else { String::new() };
            assert!(begin.elapsed() <= PATIENCE, "{selector} shows {text:?}, in the page\n{all}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a person reads as each figure, by its path in the status.
    pub async fn figures(&mut self) -> BTreeMap<String, Figure> {
        serde_json::from_value(self.value(FIGURES).await).expect("figures")
    }

    pub async fn close(mut self) {
        self.session = None;
        self.call("Browser.close", json!({})).await;
        let _ = timeout(CALL, self.process.wait()).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
