//! Many clients at once, and those that mean no good.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::MutexGuard;
use std::thread;
use std::time::{Duration, Instant};

use common::mock::PANIC;
use common::{Answer, Client, Server, scoring};
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const COMPLETIONS: &str = "/v1/completions";
const JSON: &str = "Content-Type: application/json\r\n";

fn choices(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["choices"].clone()
}

/// A server whose model waits until the guard is dropped, with one request in its hands.
fn held(server: &Server) -> (MutexGuard<'_, Vec<usize>>, Client) {
    let guard = server.models.calls.lock().unwrap();
    let mut first = server.client();
    send(&mut first, scoring("base", json!([[7, 8]])));
    server.until("likra_batch_jobs_count", 1.0);
    (guard, first)
}

fn send(client: &mut Client, asked: Value) {
    client
        .send("POST", COMPLETIONS, JSON, asked.to_string().as_bytes())
        .unwrap();
}

#[test]
fn an_answer_does_not_depend_on_others_at_the_same_time() {
    let server = Server::with(|settings| settings.batch_tokens = 200);
    let asked = |client: usize, number: usize| {
        let mut random = ChaCha8Rng::seed_from_u64((client * 100 + number) as u64);
        let mut prompt = || {
            let length = random.random_range(1..120);
            (0..length)
                .map(|_| random.random_range(7..300))
                .collect::<Vec<u32>>()
        };
        let prompts: Vec<_> = (0..=number % 4).map(|_| prompt()).collect();
        scoring(common::mock::MODELS[(client + number) % 4], json!(prompts))
    };
    let other = Server::start();
    let mut alone = other.client();
    let expected: Vec<Vec<Value>> = (0..32)
        .map(|client| {
            (0..10)
                .map(|number| choices(&alone.post(COMPLETIONS, asked(client, number))))
                .collect()
        })
        .collect();
    let (guard, mut first) = held(&server);
    thread::scope(|scope| {
        for (client, expected) in expected.iter().enumerate() {
            let server = &server;
            scope.spawn(move || {
                let mut connection = server.client();
                for (number, expected) in expected.iter().enumerate() {
                    let question = json!({"prompt": format!("{client}"), "answers": ["a", "b c"]});
                    assert_eq!(connection.post("/v1/judge", question).status, 200);
                    let answer = connection.post(COMPLETIONS, asked(client, number));
                    assert_eq!(choices(&answer), *expected);
                }
            });
        }
        server.until("likra_waiting", 32.0);
        drop(guard);
    });
    choices(&first.read().unwrap());
    let calls = server.models.calls.lock().unwrap();
    // All 32 first questions were judged at once.
    assert!(calls.contains(&32), "{calls:?}");
    assert!(calls.len() < 32 * 20, "{} calls", calls.len());
}

#[test]
fn a_large_request_takes_turns_with_others() {
    let server = Server::with(|settings| settings.batch_tokens = 100);
    let (guard, mut first) = held(&server);
    let mut large = server.client();
    send(&mut large, scoring("base", json!(vec![vec![7; 50]; 200])));
    server.until("likra_waiting", 1.0);
    let mut small = server.client();
    send(&mut small, scoring("negative", json!([[7, 8]])));
    let mut judge = server.client();
    let question = json!({"prompt": "a", "answers": ["b"]}).to_string();
    judge
        .send("POST", "/v1/judge", JSON, question.as_bytes())
        .unwrap();
    server.until("likra_waiting", 3.0);
    drop(guard);
    choices(&first.read().unwrap());
    choices(&small.read().unwrap());
    assert_eq!(judge.read().unwrap().status, 200);
    assert!(
        server.models.calls.lock().unwrap().len() < 50,
        "they waited for the large one"
    );
    assert_eq!(
        choices(&large.read().unwrap()).as_array().unwrap().len(),
        200
    );
}

#[test]
fn what_one_request_has_wrong_is_not_another_ones_error() {
    let server = Server::start();
    let (guard, mut first) = held(&server);
    let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
    for (place, client) in clients.iter_mut().enumerate() {
        let token = if place == 2 { PANIC } else { 9 };
        send(client, scoring("base", json!([[token, 8]])));
        server.until("likra_waiting", (place + 1) as f64);
    }
    drop(guard);
    choices(&first.read().unwrap());
    let statuses: Vec<u16> = clients
        .iter_mut()
        .map(|client| client.read().unwrap().status)
        .collect();
    assert_eq!(statuses, [200, 200, 500, 200]);
}

#[test]
fn a_full_server_says_so() {
    let server = Server::with(|settings| settings.queue = 2);
    let (guard, mut first) = held(&server);
    let mut second = server.client();
    send(&mut second, scoring("base", json!([[7, 8]])));
    server.until("likra_waiting", 1.0);
    let third = server.post(COMPLETIONS, scoring("base", json!([[7, 8]])));
    assert_eq!(third.status, 503);
    assert!(third.head.contains("retry-after: 1\r\n"), "{third:?}");
    assert_eq!(third.message(), "the server has its hands full; ask again");
    drop(guard);
    choices(&first.read().unwrap());
    choices(&second.read().unwrap());
    choices(&server.post(COMPLETIONS, scoring("base", json!([[7, 8]]))));
}

#[test]
fn large_bodies_take_more_room() {
    let server = Server::with(|settings| {
        settings.queue = 16;
        settings.max_body = 16_000;
        settings.patience = Duration::from_mins(1);
    });
    // Eight bodies of full size fill the server, half sent or not.
    let head = format!("POST {COMPLETIONS} HTTP/1.1\r\nHost: likra\r\n{JSON}");
    let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    for client in &mut clients[..4] {
        client
            .write(format!("{head}Content-Length: 16000\r\n\r\n").as_bytes())
            .unwrap();
    }
    for client in &mut clients[4..] {
        client
            .write(format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n").as_bytes())
            .unwrap();
    }
    server.until("likra_places", 16.0);
    assert_eq!(server.post("/tokenize", json!({"prompt": "a"})).status, 503);
    drop(clients);
    server.until("likra_places", 0.0);
    assert_eq!(server.post("/tokenize", json!({"prompt": "a"})).status, 200);
}

#[test]
fn what_nobody_waits_for_is_not_computed() {
    let server = Server::with(|settings| settings.deadline = Duration::from_millis(400));
    let (guard, mut first) = held(&server);
    let mut gone = server.client();
    send(&mut gone, scoring("base", json!([[7, 8]])));
    server.until("likra_waiting", 1.0);
    drop(gone);
    let late = server.post(COMPLETIONS, scoring("base", json!([[7, 8]])));
    assert_eq!(
        (late.status, late.message().as_str()),
        (504, "no answer within the server's deadline")
    );
    assert_eq!(first.read().unwrap().status, 504);
    drop(guard);
    choices(&server.post(COMPLETIONS, scoring("base", json!([[7, 8]]))));
    // The one that was being computed, and the last.
    assert_eq!(*server.models.calls.lock().unwrap(), [1, 1]);
}

#[test]
fn a_stop_lets_what_has_begun_come_to_its_end() {
    let mut server = Server::start();
    let address = server.address;
    let models = server.models.clone();
    let guard = models.calls.lock().unwrap();
    let mut first = server.client();
    send(&mut first, scoring("base", json!([[7, 8]])));
    server.until("likra_batch_jobs_count", 1.0);
    let mut clients: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut clients {
        send(client, scoring("base", json!([[7, 8]])));
    }
    server.until("likra_waiting", 3.0);
    let mut idle = server.client();
    assert_eq!(idle.ask("GET", "/healthz", "", b"").unwrap().status, 200);
    let mut half = server.client();
    half.write(b"GET /healthz HTTP/1.1\r\n").unwrap();
    server.stop();
    assert!(idle.is_closed());
    thread::sleep(Duration::from_millis(100));
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "it still listens"
    );
    drop(guard);
    clients.push(first);
    for client in &mut clients {
        choices(&client.read().unwrap());
        assert!(client.is_closed());
    }
    // The rest of the head comes too late or not at all; either way the server ends.
    let _ = half.write(b"\r\n");
    server.join();
}

#[test]
fn a_stop_has_an_end() {
    let mut server = Server::with(|settings| settings.stop_after = Duration::from_millis(300));
    let models = server.models.clone();
    let guard = models.calls.lock().unwrap();
    let mut client = server.client();
    send(&mut client, scoring("base", json!([[7, 8]])));
    server.until("likra_batch_jobs_count", 1.0);
    server.stop();
    assert!(client.is_closed());
    drop(guard);
    server.join();
}

#[test]
fn slow_clients_are_cut_off() {
    let server = Server::with(|settings| settings.patience = Duration::from_millis(300));
    let started = Instant::now();
    let mut nothing = server.client();
    let mut head = server.client();
    head.write(b"POST /tokenize HTTP/1.1\r\nHost: li").unwrap();
    let mut idle = server.client();
    assert_eq!(idle.ask("GET", "/healthz", "", b"").unwrap().status, 200);
    let mut second = server.client();
    assert_eq!(second.ask("GET", "/healthz", "", b"").unwrap().status, 200);
    second.write(b"GET /heal").unwrap();
    for client in [&mut nothing, &mut head, &mut idle, &mut second] {
        // A head that was begun may be answered with 408.
        if client.read().is_ok() {
            assert!(client.is_closed());
        }
    }
    let mut body = server.client();
    body.write(
        format!("POST /tokenize HTTP/1.1\r\nHost: likra\r\n{JSON}Content-Length: 20\r\n\r\n{{")
            .as_bytes(),
    )
    .unwrap();
    let answer = body.read().unwrap();
    assert_eq!(answer.status, 408, "{answer:?}");
    answer.message();
    // A byte now and then is not enough.
    let mut slow = server.client();
    let head = format!(
        "POST /tokenize HTTP/1.1\r\nHost: likra\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n"
    );
    slow.write(head.as_bytes()).unwrap();
    while started.elapsed() < Duration::from_secs(5) && slow.write(b"1\r\n \r\n").is_ok() {
        thread::sleep(Duration::from_millis(50));
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(started.elapsed() < Duration::from_secs(10));
    choices(&server.post(COMPLETIONS, scoring("base", json!([[7, 8]]))));
}

/// An answer of tens of megabytes does not fit into the system's buffers.
#[cfg(target_os = "linux")]
#[test]
fn who_does_not_read_an_answer_is_cut_off() {
    let server = Server::with(|settings| settings.patience = Duration::from_millis(500));
    // Connections from before the server runs are not watched.
    assert_eq!(server.get("/healthz").status, 200);
    let mut client = server.client();
    send(
        &mut client,
        scoring("base", json!(vec![vec![7; 2000]; 200])),
    );
    let answered = "likra_requests_total{route=\"/v1/completions\",status=\"200\"}";
    server.until(answered, 1.0);
    thread::sleep(Duration::from_secs(3));
    assert!(client.read().is_err());
}

#[test]
fn a_long_computation_is_not_a_silent_client() {
    let server = Server::with(|settings| settings.patience = Duration::from_millis(200));
    let (guard, mut first) = held(&server);
    thread::sleep(Duration::from_millis(600));
    drop(guard);
    choices(&first.read().unwrap());
}

#[test]
fn requests_that_are_cut_off_leave_nothing_behind() {
    let server = Server::with(|settings| settings.queue = 4);
    let body = scoring("base", json!([[7, 8]])).to_string();
    let whole = format!(
        "POST {COMPLETIONS} HTTP/1.1\r\nHost: likra\r\n{JSON}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for length in (0..whole.len()).chain(0..whole.len()) {
        server.client().write(&whole.as_bytes()[..length]).unwrap();
    }
    // The server may still be about to read the last of them.
    let started = Instant::now();
    while server
        .post(COMPLETIONS, scoring("base", json!([[7, 8]])))
        .status
        != 200
    {
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(server.metric("likra_waiting"), 0.0);
}

/// Well-formed requests with a few bytes changed, cut out or put in.
#[test]
fn ten_thousand_malformed_bodies_are_refused_or_answered() {
    let server = Server::start();
    let mut random = ChaCha8Rng::seed_from_u64(22);
    let seeds = [
        (
            COMPLETIONS,
            scoring("base", json!([[7, 8], [9]])).to_string(),
        ),
        (
            COMPLETIONS,
            scoring("likra", json!(["Which melts?", "ice"])).to_string(),
        ),
        (
            "/v1/judge",
            json!({"questions": [{"prompt": "a", "answers": ["b", "c"], "label": 1}]}).to_string(),
        ),
        (
            "/v1/judge",
            json!({"prompt": "a", "answers": ["b", "c"]}).to_string(),
        ),
        (
            "/tokenize",
            json!({"prompt": "Which", "add_special_tokens": false}).to_string(),
        ),
        ("/detokenize", json!({"tokens": [1, 2, 300]}).to_string()),
    ];
    let pieces: [&[u8]; 14] = [
        b"\"",
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b"null",
        b"-1",
        b"1e400",
        b"\\ud800",
        b"\xff",
        b"4294967296",
        b"[[[[[[[[",
    ];
    let mut client = server.client();
    let mut answered = [0; 2];
    for number in 0..10_000 {
        let (path, seed) = &seeds[number % seeds.len()];
        let mut body = seed.as_bytes().to_vec();
        for _ in 0..random.random_range(1..4) {
            let start = random.random_range(0..=body.len());
            let end = (start + random.random_range(0..3)).min(body.len());
            let piece = pieces[random.random_range(0..pieces.len())];
            body.splice(start..end, piece.iter().copied());
        }
        let answer = client.ask("POST", path, JSON, &body).unwrap();
        match answer.status {
            200 => answered[0] += 1,
            400 | 404 => {
                answer.message();
                answered[1] += 1;
            }
            _ => panic!("{answer:?} to {}", String::from_utf8_lossy(&body)),
        }
    }
    assert!(answered.iter().all(|count| *count > 100), "{answered:?}");
    // Deep nesting, and bytes that are no HTTP.
    let deep = "[".repeat(1 << 20);
    for body in [deep.clone(), format!("{{\"prompt\": {deep}")] {
        assert_eq!(
            server
                .client()
                .ask("POST", COMPLETIONS, JSON, body.as_bytes())
                .unwrap()
                .status,
            400
        );
    }
    for _ in 0..200 {
        let mut client = server.client();
        let bytes: Vec<u8> = (0..random.random_range(1..400))
            .map(|_| random.random())
            .collect();
        client.write(&bytes).unwrap();
        client.write(b"\r\n\r\n").ok();
        assert!(client.read().is_ok_and(|answer| answer.status == 400));
    }
    choices(&server.post(COMPLETIONS, scoring("base", json!([[7, 8]]))));
}

/// A body of a size that nobody knows, and one that is not what it says.
#[test]
fn chunks_are_counted_and_read() {
    let server = Server::with(|settings| settings.max_body = 64);
    let sent = |chunks: &str| {
        let mut client = server.client();
        let head = format!(
            "POST /tokenize HTTP/1.1\r\nHost: likra\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n"
        );
        client.write(format!("{head}{chunks}").as_bytes()).unwrap();
        client.read().unwrap().status
    };
    let long = format!("60\r\n{}\r\n0\r\n\r\n", " ".repeat(0x60));
    assert_eq!(sent(&long), 413);
    assert_eq!(sent("zz\r\n"), 400);
    assert_eq!(sent("10\r\n{\"prompt\":\"a b\"}\r\n0\r\n\r\n"), 200);
}
