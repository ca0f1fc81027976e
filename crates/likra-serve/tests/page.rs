//! The pages in a browser. Without Chromium on this machine there is nothing to test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::Command;

use common::{Server, mock};

/// What a page has become after its script ran, or nothing if there is no Chromium.
fn rendered(server: &Server, path: &str) -> Option<String> {
    let browser = ["chromium", "chromium-browser", "google-chrome"];
    let starts = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    let Some(browser) = browser.iter().find(starts) else {
        eprintln!("skipped: Chromium is not installed");
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run".split(' '))
        .args(
            "--disable-background-networking --disable-component-update --disable-sync".split(' '),
        )
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{}{path}", server.address))
        .output()
        .unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_question_is_tried() {
    let server = Server::start();
    let address = "/#prompt=Which+melts%3F&answer=a+block+of+ice&answer=%3Cb%3Ewood%3C%2Fb%3E";
    let Some(page) = rendered(&server, address) else {
        return;
    };
    let question = serde_json::from_value(serde_json::json!({
        "prompt": "Which melts?", "answers": ["a block of ice", "<b>wood</b>"],
    }));
    let judged = mock::judge(&question.unwrap()).unwrap();
    let best = ["a block of ice", "&lt;b&gt;wood&lt;/b&gt;"][judged.best];
    assert!(page.contains(&format!("The best of 2: {best}")), "{page}");
    for score in judged.scores {
        assert!(
            page.contains(&format!("{score:.2}").replace('-', "−")),
            "no {score} in {page}"
        );
    }
    for (model, answer) in [
        (0, "a block of ice"),
        (1, "<b>wood</b>"),
        (2, "a block of ice"),
    ] {
        let sum = format!(
            "{:.2}",
            mock::sum(model, true, "Which melts?", &format!(" {answer}"))
        );
        assert!(page.contains(&sum.replace('-', "−")), "no {sum} in {page}");
    }
    assert!(
        page.contains("class=\"token liked\"") && page.contains("title=\"log p+ "),
        "{page}"
    );
    assert!(!page.contains("<b>wood"), "an answer became a tag");
}

#[test]
fn what_the_server_refuses_is_shown() {
    let server = Server::with(|settings| settings.token = Some("secret".into()));
    if let Some(page) = rendered(&server, "/#prompt=a&answer=b") {
        assert!(
            page.contains("expected a bearer token that this server knows"),
            "{page}"
        );
    }
}

#[test]
fn the_description_is_drawn() {
    let server = Server::start();
    if let Some(page) = rendered(&server, "/docs") {
        for path in ["POST /v1/completions", "POST /v1/judge", "GET /metrics"] {
            assert!(page.contains(path), "no {path} in {page}");
        }
    }
}
