//! A server on this machine, and a client for it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part, and fails by panicking"
)]

pub(crate) mod mock;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use likra_serve::{Settings, serve};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use self::mock::{MODELS, Mock, Models, POSITIONS, vocab_size};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) models: Models,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<likra_serve::Result<()>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(MODELS.map(String::from).into(), vocab_size(), POSITIONS);
        change(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let models = Models::default();
        let mut backend = models.clone();
        let stopped = async {
            let _ = stopped.await;
        };
        let thread = thread::spawn(move || serve(listener, settings, Mock, &mut backend, stopped));
        Self {
            address,
            models,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Asks it to stop.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until it has stopped.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.client().ask("GET", path, "", b"").unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Answer {
        self.client().post(path, body)
    }

    /// A number in the metrics.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value).unwrap_or(0.0)
    }

    /// Waits until a number in the metrics is as expected.
    pub(crate) fn until(&self, name: &str, expected: f64) {
        for _ in 0..4000 {
            if self.metric(name) == expected {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{name} is {}, not {expected}", self.metric(name));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if !thread::panicking() {
            self.join();
        }
    }
}

/// One connection.
pub(crate) struct Client(BufReader<TcpStream>);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The message of an error, which has the form of the others.
    pub(crate) fn message(&self) -> String {
        let error = &self.json()["error"];
        for key in ["type", "param", "code"] {
            assert!(error.get(key).is_some(), "no {key}: {self:?}");
        }
        error["message"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn post(&mut self, path: &str, body: Value) -> Answer {
        let headers = "Content-Type: application/json\r\n";
        self.ask("POST", path, headers, body.to_string().as_bytes())
            .unwrap()
    }

    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> std::io::Result<Answer> {
        self.send(method, path, headers, body)?;
        self.read()
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> std::io::Result<()> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: likra\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        self.write(&[head.as_bytes(), body].concat())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    pub(crate) fn read(&mut self) -> std::io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head[9..12].parse().unwrap();
        let length = head.lines().find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body)?;
        Ok(Answer {
            status,
            head,
            body: String::from_utf8(body).unwrap(),
        })
    }

    /// Whether the server closes the connection, without another answer.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).map_or(true, |read| read == 0)
    }
}

/// What lm-eval asks of a model.
pub(crate) fn scoring(model: &str, prompts: Value) -> Value {
    json!({"model": model, "prompt": prompts, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": true})
}
