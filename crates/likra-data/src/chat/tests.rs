//! Against transformers, and against what lm-evaluation-harness asks with chat templates (fixtures/chat).

use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::*;
use crate::{Benchmark, Needs, Shots, Source};

#[derive(Deserialize)]
struct Golden {
    now: String,
    tokens: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    conversations: BTreeMap<String, Vec<(String, String)>>,
    snippet_values: Value,
    renders: Vec<Render>,
    snippets: Vec<Snippet>,
    prompts: Vec<Prompts>,
}

#[derive(Deserialize)]
struct Render {
    template: String,
    conversation: String,
    mode: String,
    text: Option<String>,
    error: Option<(String, String)>,
}

#[derive(Deserialize)]
struct Snippet {
    source: String,
    text: Option<String>,
}

#[derive(Deserialize)]
struct Prompts {
    template: Option<String>,
    settings: BTreeMap<String, String>,
    multiturn: Option<bool>,
    system: Option<String>,
    task: String,
    shots: usize,
    candidates: usize,
    sha256: String,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn golden() -> Golden {
    let file = fixtures().join("chat/expected.json");
    serde_json::from_slice(&fs_err::read(file).unwrap()).unwrap()
}

impl Golden {
    fn now(&self) -> NaiveDateTime {
        self.now.parse().unwrap()
    }

    fn chat(&self, template: &str, multiturn: bool) -> Chat {
        let path = fixtures().join(format!("chat/{template}.jinja"));
        let source = fs_err::read_to_string(&path).unwrap();
        let template = ChatTemplate {
            path,
            source,
            tokens: self.tokens[template].clone(),
        };
        Chat::new(template, self.now(), multiturn).unwrap()
    }
}

/// Conversations of all kinds under ten templates: the same text, or refused where they are.
#[test]
fn conversations_become_the_text_of_transformers() {
    let golden = golden();
    let mut texts = 0;
    for render in golden
        .renders
        .iter()
        .filter(|render| render.mode == "generate")
    {
        let chat = golden.chat(&render.template, true);
        let messages = &golden.conversations[&render.conversation];
        let messages = messages.iter().map(|(by, text)| (&**by, &**text));
        let found = chat.rendered(&messages.collect::<Vec<_>>());
        let case = format!("{}, {}", render.template, render.conversation);
        match (&render.text, &render.error) {
            (Some(text), _) => assert_eq!(&found.unwrap(), text, "{case}"),
            (None, Some((kind, message))) => {
                let error = found.unwrap_err();
                assert_eq!(Refusal::is(&error), kind == "TemplateError", "{case}");
                assert_eq!(template::message(&error), *message, "{case}");
            }
            _ => panic!("{case}: neither text nor error"),
        }
        texts += usize::from(render.text.is_some());
    }
    assert!(texts > 100, "{texts}");
}

/// What minijinja does otherwise: what transformers refuses, and three rare ways to write a text.
const OTHERWISE: [&str; 5] = [
    "{{ texts|length }}",
    "{% for m in none %}{% endfor %}",
    "{{ missing|tojson }}",
    "{{ '\\/' }} {{ \"it's\" }} {{ 'a' 'b' }} {{ '\\x41\\u00e9' }}",
    "a{% raw %}\n  {% x %}\n{% endraw %}\nb",
];

/// Each expression prints the same, or is refused.
#[test]
fn what_templates_are_made_of_prints_the_same_or_is_refused() {
    let golden = golden();
    let (mut same, mut refused) = (0, Vec::new());
    for Snippet { source, text } in &golden.snippets {
        if OTHERWISE.contains(&source.as_str()) {
            continue;
        }
        let mut environment = template::chat_environment(golden.now());
        let found = environment
            .add_template_owned(TEMPLATE, without_generation(source))
            .and_then(|()| {
                environment
                    .get_template(TEMPLATE)?
                    .render(golden.snippet_values.clone())
            });
        match (found, text) {
            (Ok(found), Some(text)) => assert_eq!(&found, text, "{source}"),
            (Ok(found), None) => panic!("{source}: {found}, which transformers refuses"),
            (Err(_), None) => {}
            (Err(error), Some(_)) => refused.push(format!("{source}: {error}")),
        }
        same += 1;
    }
    assert!(refused.len() <= 4, "{refused:#?}");
    assert!(same > 55, "{same}");
}

/// Nine tasks without a prefix of their own for answers, at 0 and 2 shots.
#[test]
fn prompts_are_the_harness_s() {
    let golden = golden();
    let mut compared = 0;
    for case in &golden.prompts {
        let Some(template) = &case.template else {
            continue;
        };
        if case.system.is_some() || !case.settings.is_empty() {
            continue;
        }
        let rows = Source::folder(fixtures().join("tasks/rows").join(&case.task));
        let needs = Needs {
            test: true,
            shots: case.shots > 0,
            ..Needs::default()
        };
        let shots = Shots {
            count: case.shots,
            ..Shots::default()
        };
        let chat = golden.chat(template, case.multiturn.unwrap_or(true));
        let benchmark = Benchmark::open(&case.task, &rows, &needs).unwrap();
        let benchmark = benchmark.in_chat(&chat, &shots).unwrap();
        let mut hash = Sha256::new();
        let mut candidates = 0;
        for question in benchmark.test() {
            for choice in 0..question.choices.len() {
                let continuation = question.continued(question.answer(choice));
                let (context, right) = (
                    question.context(choice),
                    u8::from(question.is_right(choice)),
                );
                hash.update(format!("{context}\0{continuation}\0{right}\n"));
                candidates += 1;
            }
        }
        let mut hex = String::new();
        for byte in hash.finalize() {
            write!(hex, "{byte:02x}").unwrap();
        }
        let case = (
            template,
            &case.task,
            case.shots,
            case.multiturn,
            candidates,
            case.candidates,
            hex,
            &case.sha256,
        );
        assert_eq!((case.4, &case.6), (case.5, case.7), "{case:?}");
        compared += 1;
    }
    assert_eq!(compared, 100);
}

fn chat_of(source: &str) -> Chat {
    let template = ChatTemplate {
        path: "chat_template.jinja".into(),
        source: source.into(),
        tokens: BTreeMap::new(),
    };
    let now = chrono::DateTime::UNIX_EPOCH.naive_utc();
    Chat::new(template, now, true).unwrap()
}

/// As transformers 4.57.1 renders them.
#[test]
fn lists_of_filters_are_generators() {
    let messages = [("system", "S"), ("user", "U"), ("assistant", "A")];
    for (source, expected) in [
        (
            "{% if messages|selectattr('role', 'equalto', 'tool') %}T{% endif %}",
            "T",
        ),
        (
            "{% set all = messages|map(attribute='content') %}{{ all|first }}|{{ all|list|length }}",
            "S|2",
        ),
        (
            "{% set r = 'R' %}{% generation %}{% set r = 'X' %}{{ r }}{% endgeneration %}{{ r }}",
            "XR",
        ),
        (
            "{{ ''|default('d', boolean=true) }}{{ none|default('d') }}{{ missing|d('e') }}",
            "dNonee",
        ),
        (
            "{{ {'b': 1, 'a': [2]}|tojson(sort_keys=true) }} {{ missing is sequence }}",
            "{\"a\": [2], \"b\": 1} True",
        ),
        ("{{ 'abc'|reverse }}", "cba"),
        ("{{ strftime_now('%f') }}", "000000"),
    ] {
        assert_eq!(
            chat_of(source).said(&messages).unwrap(),
            expected,
            "{source}"
        );
    }
}

/// Asked again without the system's message, as the harness does, such a template would lose it unnoticed.
#[test]
fn what_minijinja_lacks_does_not_cost_the_system_its_message() {
    let messages = [("system", "S"), ("user", "U")];
    for (lacking, is_asked_again) in [
        ("m.content.casefold()", false),
        ("m.content|wordcount(1)", false),
        ("m.content|tojson(separators=[','])", false),
        ("raise_exception('no system')", true),
        ("m.missing.too", true),
    ] {
        let source = format!(
            "{{% for m in messages %}}{{% if m.role == 'system' %}}{{{{ {lacking} }}}}{{% else %}}{{{{ m.content }}}}\
             {{% endif %}}{{% endfor %}}"
        );
        let chat = chat_of(&source);
        let said = chat.said_to_harness(&messages);
        assert_eq!(said.is_ok(), is_asked_again, "{lacking}: {said:?}");
        assert!(chat.said(&messages).is_err(), "{lacking}");
    }
}
