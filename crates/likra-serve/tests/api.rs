//! What every route answers, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::mock::{self, INFINITY, Mock, NAN, PANIC, POSITIONS, SHORT, vocab_size};
use common::{Server, scoring};
use likra_serve::Text as _;
use serde_json::{Value, json};

const PROMPT: &str = "Question: Which melts?\nAnswer: ice";

#[test]
fn a_prompt_is_answered_as_lm_eval_reads_it() {
    let server = Server::start();
    let ids = Mock.encode(PROMPT, false).unwrap();
    for (model, name) in mock::MODELS.iter().enumerate() {
        let answer = server.post("/v1/completions", scoring(name, json!([ids])));
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        assert_eq!(answer["object"], "text_completion");
        assert_eq!(answer["model"], *name);
        assert_eq!(
            answer["usage"],
            json!({"prompt_tokens": ids.len(), "completion_tokens": 0, "total_tokens": ids.len()})
        );
        let choice = &answer["choices"][0];
        assert_eq!(
            (&choice["index"], &choice["text"]),
            (&json!(0), &json!(PROMPT))
        );
        let values = choice["logprobs"]["token_logprobs"].as_array().unwrap();
        let tops = choice["logprobs"]["top_logprobs"].as_array().unwrap();
        for list in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
            assert_eq!(
                choice["logprobs"][list].as_array().unwrap().len(),
                ids.len() + 1,
                "{list}"
            );
        }
        for end in [0, ids.len()] {
            assert_eq!((&values[end], &tops[end]), (&Value::Null, &Value::Null));
        }
        let scored = mock::score(model, &ids);
        for (place, one) in scored.iter().enumerate() {
            let value = values[place + 1].as_f64().unwrap();
            assert_eq!(value, f64::from(one.log_likelihood));
            let top = tops[place + 1].as_object().unwrap().values();
            let best = top
                .map(|value| value.as_f64().unwrap())
                .fold(f64::NEG_INFINITY, f64::max);
            // lm-eval calls a token greedy if this is so.
            assert_eq!(best == value, one.best.1 <= one.log_likelihood);
        }
        let tokens = choice["logprobs"]["tokens"].as_array().unwrap();
        let tokens: Vec<&str> = tokens.iter().map(|token| token.as_str().unwrap()).collect();
        assert_eq!(tokens.concat(), PROMPT);
        let offsets = &choice["logprobs"]["text_offset"];
        assert_eq!(offsets[2], tokens[..2].concat().chars().count());
    }
}

/// The mock's tokens are bytes, so a character may have several.
#[test]
fn a_token_begins_where_its_character_does() {
    let server = Server::start();
    let text = "na\u{ef}ve caf\u{e9} \u{1f600}!";
    let ids = Mock.encode(text, false).unwrap();
    let answer = server.post("/v1/completions", scoring("base", json!([ids])));
    let offsets = answer.json()["choices"][0]["logprobs"]["text_offset"].clone();
    let offsets: Vec<usize> = serde_json::from_value(offsets).unwrap();
    let (mut expected, mut bytes) = (Vec::new(), 0);
    for id in &ids {
        let before = text.char_indices().take_while(|(at, _)| *at <= bytes);
        expected.push(before.count() - 1);
        bytes += mock::bytes(*id).len();
    }
    expected.push(text.chars().count());
    assert_eq!(offsets, expected);
}

#[test]
fn prompts_come_in_four_forms() {
    let server = Server::start();
    let ids = Mock.encode(PROMPT, true).unwrap();
    let (short, shorter) = (&ids[..4], &ids[..3]);
    for (prompt, expected) in [
        (json!(PROMPT), vec![ids.as_slice()]),
        (json!([PROMPT, PROMPT]), vec![&ids, &ids]),
        (json!(ids), vec![&ids]),
        (json!([short, ids, shorter]), vec![short, &ids, shorter]),
        (json!([[7]]), vec![&[7]]),
    ] {
        let answer = server
            .post("/v1/completions", scoring("base", prompt))
            .json();
        let choices = answer["choices"].as_array().unwrap();
        assert_eq!(choices.len(), expected.len());
        for (index, (choice, ids)) in choices.iter().zip(expected).enumerate() {
            assert_eq!(choice["index"], index);
            let values: Vec<Option<f64>> =
                serde_json::from_value(choice["logprobs"]["token_logprobs"].clone()).unwrap();
            let own = mock::score(0, ids)
                .into_iter()
                .map(|one| Some(f64::from(one.log_likelihood)));
            let own: Vec<Option<f64>> = [None].into_iter().chain(own).chain([None]).collect();
            assert_eq!(values, own);
        }
    }
}

#[test]
fn what_is_not_asked_for_is_not_computed() {
    let server = Server::start();
    let mut asked = scoring("base", json!("a b"));
    asked["max_tokens"] = 0.into();
    let whole = server.post("/v1/completions", asked.clone()).json();
    assert_eq!(
        whole["choices"][0]["logprobs"]["tokens"],
        json!(["<s>", "a", " b"])
    );
    asked["logprobs"] = 0.into();
    let chosen = server.post("/v1/completions", asked.clone()).json();
    assert_eq!(
        chosen["choices"][0]["logprobs"]["top_logprobs"],
        Value::Null
    );
    server.models.calls.lock().unwrap().clear();
    for (key, value, text) in [("logprobs", Value::Null, "a b"), ("echo", false.into(), "")] {
        asked[key] = value;
        let answer = server.post("/v1/completions", asked.clone()).json();
        let expected =
            json!({"index": 0, "text": text, "finish_reason": "length", "logprobs": null});
        assert_eq!(answer["choices"][0], expected);
    }
    assert!(server.models.calls.lock().unwrap().is_empty());
}

#[test]
fn what_cannot_be_done_is_named() {
    let server = Server::start();
    for (key, value, status, message) in [
        (
            "model",
            json!("other"),
            404,
            "model: found \"other\"; expected one of base, positive, negative, likra",
        ),
        ("model", json!(null), 404, "model: found \"\""),
        ("model", json!(7), 400, "model: invalid type"),
        (
            "n",
            json!(2),
            400,
            "n: found 2; expected one of [null,1]: nothing is generated here",
        ),
        ("best_of", json!(3), 400, "best_of: found 3"),
        (
            "stream",
            json!(true),
            400,
            "stream: found true; expected one of [null,false]",
        ),
        ("suffix", json!("."), 400, "suffix: "),
        ("logit_bias", json!({"7": 1}), 400, "logit_bias: "),
        (
            "max_tokens",
            json!(16),
            400,
            "max_tokens: found 16; expected one of [0,1]",
        ),
        (
            "max_tokens",
            json!(null),
            400,
            "max_tokens: found null; expected one of [0,1]",
        ),
        ("max_tokens", json!(-1), 400, "max_tokens: found -1"),
        ("echo", json!(false), 400, "max_tokens: found 1"),
        ("logprobs", json!(null), 400, "max_tokens: found 1"),
        (
            "logprobs",
            json!(5),
            400,
            "logprobs: found 5; expected one of [null,0,1]",
        ),
    ] {
        let mut asked = scoring("base", json!([[7, 8]]));
        asked[key] = value;
        is_refused(&server, asked, status, message);
    }
}

fn is_refused(server: &Server, asked: Value, status: u16, message: &str) {
    let answer = server.post("/v1/completions", asked);
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(
        answer.message().contains(message),
        "{answer:?}, not {message}"
    );
}

#[test]
fn prompts_that_cannot_be_scored_are_named() {
    let server = Server::start();
    let long = vec![7; POSITIONS + 1];
    for (prompt, status, message) in [
        (
            json!(null),
            400,
            "prompt: found nothing; expected a text, a list of texts",
        ),
        (json!({}), 400, "prompt: found {}; expected"),
        (json!([]), 400, "prompt: found no tokens"),
        (json!([[1], []]), 400, "prompt: found no tokens"),
        (
            json!([[1], "a"]),
            400,
            "prompt: found [[1],\"a\"]; expected",
        ),
        (json!(["a", 1]), 400, "prompt: found [\"a\",1]; expected"),
        (json!([-1]), 400, "prompt: found [-1]; expected"),
        (json!([1.5]), 400, "prompt: found [1.5]; expected"),
        (json!("\0"), 400, "prompt: a zero byte has no token"),
        (json!([vocab_size()]), 400, "prompt: token id "),
        (
            json!(long),
            400,
            "prompt: 2049 tokens; expected at most 2048",
        ),
        (json!("panic"), 500, "Service panicked"),
        (
            json!([NAN, 7]),
            500,
            "the answer could not be computed: a log-likelihood is not a number",
        ),
        (
            json!([PANIC, 7]),
            500,
            "the answer could not be computed: the model has panicked",
        ),
        (
            json!([SHORT, 7]),
            500,
            "the answer could not be computed: 0 scores of 2 tokens",
        ),
    ] {
        is_refused(&server, scoring("base", prompt), status, message);
    }
    let answer = server.post(
        "/v1/completions",
        scoring("base", json!(vec![vec![7; 2000]; 263])),
    );
    assert_eq!(
        answer.message(),
        "prompt: 526000 tokens; expected at most 524288"
    );
}

#[test]
fn json_has_no_infinity() {
    let server = Server::start();
    let answer = server
        .post("/v1/completions", scoring("base", json!([INFINITY, 7, 8])))
        .json();
    let logprobs = &answer["choices"][0]["logprobs"];
    assert_eq!(logprobs["token_logprobs"][1], -9999.0);
    assert_eq!(logprobs["top_logprobs"][2]["<pad>"], 9999.0);
}

#[test]
fn tokens_go_both_ways() {
    let server = Server::start();
    for root in ["", "/v1"] {
        let info = server.get(&format!("{root}/tokenizer_info")).json();
        assert_eq!(
            info,
            json!({"eos_token": "</s>", "bos_token": "<s>", "pad_token": "<pad>"})
        );
        let tokenize = format!("{root}/tokenize");
        let bare = server
            .post(
                &tokenize,
                json!({"prompt": "</s> b", "add_special_tokens": false}),
            )
            .json();
        let b = Mock.encode(" b", false).unwrap()[0];
        assert_eq!(
            bare,
            json!({"count": 2, "max_model_len": POSITIONS, "tokens": [2, b]})
        );
        let whole = server
            .post(
                &tokenize,
                json!({"prompt": " b", "return_token_strs": true}),
            )
            .json();
        assert_eq!(whole["tokens"], json!([1, b]));
        assert_eq!(whole["token_strs"], json!(["<s>", " b"]));
        let back = server
            .post(&format!("{root}/detokenize"), json!({"tokens": [1, b]}))
            .json();
        assert_eq!(back, json!({"prompt": "<s> b"}));
    }
    for (path, asked, message) in [
        ("/tokenize", json!({}), "missing field `prompt`"),
        ("/tokenize", json!({"prompt": "\0"}), "prompt: a zero byte"),
        (
            "/detokenize",
            json!({"tokens": [vocab_size()]}),
            "tokens: token id",
        ),
    ] {
        let answer = server.post(path, asked);
        assert_eq!(answer.status, 400);
        assert!(answer.message().contains(message), "{answer:?}");
    }
}

#[test]
fn questions_are_judged() {
    let server = Server::start();
    let question = json!({"prompt": "Which melts?", "answers": ["ice", "wood"], "label": 7});
    let expected = mock::judge(&serde_json::from_value(question.clone()).unwrap()).unwrap();
    let expected: Value = serde_json::from_str(&json!(expected).to_string()).unwrap();
    let alone = server.post("/v1/judge", question.clone());
    assert_eq!(alone.json(), expected);
    for (questions, judgements) in [
        (json!([question, question]), json!([expected, expected])),
        (json!([]), json!([])),
    ] {
        let answer = server.post("/v1/judge", json!({"questions": questions}));
        assert_eq!(answer.json(), json!({"judgements": judgements}));
    }
    let messages =
        json!([{"role": "user", "content": "Which "}, {"role": "user", "content": "melts?"}]);
    let said = server.post(
        "/v1/judge",
        json!({"prompt": messages, "answers": ["ice", "wood"]}),
    );
    assert_eq!(said.json(), expected);
    let long = "a".repeat(POSITIONS);
    for (asked, message) in [
        (
            json!({"prompt": [{"role": "user", "content": long}], "answers": ["a"]}),
            "answers: 2049 tokens; expected at most 2048",
        ),
        (
            json!({"prompt": [], "answers": ["a"]}),
            "prompt: no messages",
        ),
        (
            json!({"prompt": [{"role": "user"}], "answers": ["a"]}),
            "expected {\"prompt\": text or messages",
        ),
        (
            json!({"prompt": "a"}),
            "expected {\"prompt\": text or messages, \"answers\": [texts]}, or several",
        ),
        (
            json!({"prompt": "a", "answers": []}),
            "answers: found none; expected at least one",
        ),
        (
            json!({"prompt": "a", "answers": [long]}),
            "answers: 2049 tokens; expected at most 2048",
        ),
        (
            json!({"prompt": "\0", "answers": ["a"]}),
            "prompt: a zero byte",
        ),
        (
            json!({"prompt": "refuse", "answers": ["a"]}),
            "answers: as asked",
        ),
        (
            json!({"questions": [{"prompt": "a", "answers": ["\0"]}]}),
            "answers: a zero byte",
        ),
    ] {
        let answer = server.post("/v1/judge", asked);
        assert_eq!(answer.status, 400);
        assert!(answer.message().contains(message), "{answer:?}");
    }
    // What is no question's fault.
    let answer = server.post("/v1/judge", json!({"prompt": "break", "answers": ["a"]}));
    assert_eq!(answer.status, 500);
    assert!(
        answer.message().contains("the model is broken"),
        "{answer:?}"
    );
}

#[test]
fn a_bearer_token_guards_all_that_computes_or_tells() {
    let server = Server::with(|settings| settings.token = Some("secret".into()));
    let headers = |token: &str| format!("Authorization: {token}\r\n");
    for path in ["/v1/models", "/metrics", "/tokenizer_info"] {
        for token in [
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Bearer secret1",
            "Basic secret",
            "secret",
        ] {
            let answer = server
                .client()
                .ask("GET", path, &headers(token), b"")
                .unwrap();
            assert_eq!(answer.status, 401, "{token}");
            assert!(
                answer
                    .head
                    .to_lowercase()
                    .contains("www-authenticate: bearer"),
                "{answer:?}"
            );
            answer.message();
        }
        for token in ["Bearer secret", "bearer secret"] {
            assert_eq!(
                server
                    .client()
                    .ask("GET", path, &headers(token), b"")
                    .unwrap()
                    .status,
                200
            );
        }
    }
    for path in [
        "/v1/completions",
        "/v1/judge",
        "/tokenize",
        "/v1/detokenize",
    ] {
        assert_eq!(server.post(path, json!({})).status, 401);
    }
    for path in ["/", "/docs", "/openapi.json", "/healthz"] {
        assert_eq!(server.get(path).status, 200);
    }
    // lm-eval sends an empty one where none is set.
    let answer = Server::start()
        .client()
        .ask("GET", "/v1/models", &headers("Bearer "), b"");
    assert_eq!(answer.unwrap().status, 200);
}

#[test]
fn refusals_of_the_server_itself_have_the_same_form() {
    let server = Server::with(|settings| settings.max_body = 1000);
    let json = "Content-Type: application/json\r\n";
    let large = vec![b' '; 1001];
    for (method, path, headers, body, status, message) in [
        ("GET", "/nowhere", "", &b""[..], 404, "Not Found"),
        ("GET", "/v1/completions", "", b"", 405, "Method Not Allowed"),
        (
            "POST",
            "/v1/completions",
            "",
            b"{}",
            415,
            "Expected request with `Content-Type: application/json`",
        ),
        (
            "POST",
            "/v1/completions",
            json,
            b"{\"model\": \"base\"",
            400,
            "Failed to parse the request body as JSON",
        ),
        ("POST", "/v1/completions", json, b"[]", 404, "model: found"),
        (
            "POST",
            "/v1/completions",
            json,
            b"7",
            400,
            "Failed to deserialize the JSON body",
        ),
        (
            "POST",
            "/v1/completions",
            json,
            b"{} {}",
            400,
            "Failed to parse the request body as JSON",
        ),
        (
            "POST",
            "/v1/completions",
            json,
            &large,
            413,
            "a body larger than the server takes",
        ),
    ] {
        let answer = server.client().ask(method, path, headers, body).unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.message().starts_with(message), "{answer:?}");
    }
    let answer = server.client().ask("PUT", "/v1/judge", "", b"").unwrap();
    assert!(
        answer.head.to_lowercase().contains("allow: post"),
        "{answer:?}"
    );
}

#[test]
fn the_server_tells_of_itself() {
    let server = Server::start();
    assert_eq!(server.get("/healthz").body, "ok\n");
    let models = server.get("/v1/models").json();
    assert_eq!(models["data"][3]["id"], "likra");
    server.post(
        "/v1/completions",
        scoring("base", json!([[7, 8, 9], [7, 8]])),
    );
    server.post("/v1/completions", scoring("none", json!([[7, 8, 9]])));
    server.get("/nowhere");
    let metrics = server.get("/metrics").body;
    for line in [
        "likra_requests_total{route=\"/v1/completions\",status=\"200\"} 1\n",
        "likra_requests_total{route=\"/v1/completions\",status=\"404\"} 1\n",
        "likra_requests_total{route=\"other\",status=\"404\"} 1\n",
        "likra_request_seconds_count{route=\"/v1/completions\"} 2\n",
        "likra_tokens_total 5\n",
        "likra_waiting 0\n",
        "likra_batch_tokens_sum 5.0\n",
        "likra_batch_jobs_count 1\n",
        "# EOF\n",
    ] {
        assert!(metrics.contains(line), "no {line}in {metrics}");
    }
}

/// The examples of the description are what the server does.
#[test]
fn the_description_is_true() {
    let server = Server::start();
    let api = server.get("/openapi.json").json();
    let mut examples = 0;
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, route) in methods.as_object().unwrap() {
            let content = &route["requestBody"]["content"]["application/json"]["examples"];
            let bodies = content.as_object().map_or(vec![Value::Null], |all| {
                all.values().map(|one| one["value"].clone()).collect()
            });
            for body in bodies {
                examples += 1;
                let answer = match method.as_str() {
                    "get" => server.get(path),
                    _ => server.post(path, body),
                };
                assert_eq!(answer.status, 200, "{path}: {answer:?}");
                let media = route["responses"]["200"]["content"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .next()
                    .unwrap();
                assert!(answer.head.contains(media.as_str()), "{path}: {answer:?}");
                let keys = &route["responses"]["200"]["content"][media]["schema"]["properties"];
                for key in keys.as_object().into_iter().flat_map(serde_json::Map::keys) {
                    assert!(answer.json().get(key).is_some(), "{path} has no {key}");
                }
            }
        }
    }
    assert!(examples > 12, "{examples} examples");
    for page in ["/", "/docs"] {
        let answer = server.get(page);
        assert!(
            answer
                .head
                .contains("content-security-policy: default-src 'none'")
        );
        assert!(!answer.body.contains("http://") && !answer.body.contains("https://"));
    }
}
