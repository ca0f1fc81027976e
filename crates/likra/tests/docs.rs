//! The generated pages of `docs/` say what the program does today. `LIKRA_UPDATE=1 cargo test -p likra --test docs`
//! writes them again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use likra_experiment::Spec;
use serde_json::{Map, Value};

fn check(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    if std::env::var_os("LIKRA_UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let advice = "LIKRA_UPDATE=1 cargo test -p likra --test docs";
    assert!(
        found == text,
        "docs/{page} is not current: write it again by `{advice}`"
    );
}

fn help(words: &[&str]) -> String {
    let likra = Command::new(env!("CARGO_BIN_EXE_likra"))
        .args(words)
        .output()
        .unwrap();
    assert!(likra.status.success(), "{words:?}");
    String::from_utf8(likra.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_page_of_commands_is_current() {
    let mut text = String::from(
        "# Commands\n\nThis page is what `likra --help` and `likra COMMAND --help` print. `cargo xtask COMMAND` builds \
         `likra` with\nthe features that the device needs, and runs it (but `cargo xtask serve` compares it with lm-eval). `cargo install --path crates/likra` installs it.\n\n",
    );
    writeln!(text, "```text\n{}\n```", help(&["--help"])).unwrap();
    for command in [
        "reproduce",
        "report",
        "plan",
        "step",
        "train",
        "judge",
        "serve",
        "score",
        "prompts",
    ] {
        let said = help(&[command, "--help"]);
        writeln!(text, "\n## likra {command}\n\n```text\n{said}\n```").unwrap();
    }
    check("commands.md", &text);
}

/// What a schema refers to, if it is a reference.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let inner = schema["anyOf"].as_array().map(|options| &options[0]);
    let inner = inner.unwrap_or(schema);
    match inner["$ref"].as_str() {
        Some(name) => &root["$defs"][name.trim_start_matches("#/$defs/")],
        None => inner,
    }
}

/// The kind of a value in words, or the names that it can have.
fn kind(schema: &Value, root: &Value) -> String {
    let schema = resolve(schema, root);
    let names = |options: &[Value]| {
        let name = |option: &Value| match &option["const"] {
            Value::String(name) => format!("`\"{name}\"`"),
            _ => option["enum"].as_array().map_or_else(String::new, |names| {
                let names = names.iter().map(|name| format!("`{name}`"));
                names.collect::<Vec<_>>().join(", ")
            }),
        };
        options.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    if let Some(options) = schema["oneOf"].as_array() {
        return names(options);
    }
    if schema["enum"].is_array() {
        return names(std::slice::from_ref(schema));
    }
    let word = match &schema["type"] {
        Value::Array(types) => types[0].as_str().unwrap_or_default(),
        other => other.as_str().unwrap_or_default(),
    };
    match word {
        "integer" => "an integer".into(),
        "number" => "a number".into(),
        "string" => "a string".into(),
        "boolean" => "`true` or `false`".into(),
        "array" => format!(
            "a list of {}s",
            kind(&schema["items"], root)
                .trim_start_matches("an ")
                .trim_start_matches("a ")
        ),
        other => other.into(),
    }
}

/// The rows of a table of keys, and the tables that are inside of it, by name.
fn rows<'a>(
    schema: &'a Value,
    root: &'a Value,
    text: &mut String,
) -> Vec<(&'a String, &'a Value, &'a Value)> {
    let mut inner = Vec::new();
    let properties: &Map<String, Value> = schema["properties"].as_object().unwrap();
    text.push_str("| key | value | if absent | meaning |\n|---|---|---|---|\n");
    for (name, property) in properties {
        let target = resolve(property, root);
        let entries = &target["additionalProperties"];
        let table = match entries.is_object() {
            true => resolve(entries, root),
            false => target,
        };
        if table["properties"].is_object() {
            inner.push((name, property, table));
            continue;
        }
        let required = schema["required"].as_array();
        let required = required.is_some_and(|names| names.contains(&name.as_str().into()));
        let default = match &property["default"] {
            _ if required => "required".into(),
            Value::Null => String::new(),
            Value::Array(values) if values.len() > 8 => "see below".into(),
            value => format!("`{value}`"),
        };
        let said = property["description"].as_str().unwrap_or_default();
        let said = said
            .replace('\n', " ")
            .replace("[`", "`")
            .replace("`]", "`");
        let value = kind(property, root);
        writeln!(text, "| `{name}` | {value} | {default} | {said} |").unwrap();
    }
    inner
}

#[test]
fn the_page_of_keys_is_current() {
    let schema = schemars::schema_for!(Spec).to_value();
    let mut text = String::from(
        "# Keys of an experiment\n\nAn experiment is a TOML file. This page lists its keys, as the program reads them. \
         An unknown key, a value of the wrong\ntype or a combination that makes no sense is an error with the key and \
         its line. `--set KEY=VALUE` sets any of them, such\nas `--set training.batch-size=4`. The weights of figure 4 go \
         from 0 to 1.5 in steps of 0.05 if they are absent.\n\n",
    );
    let inner = rows(&schema, &schema, &mut text);
    for (name, property, table) in inner {
        let title = match name.as_str() {
            "heads" => "heads.NAME",
            other => other,
        };
        let said = property["description"].as_str().unwrap_or_default();
        let said = said.replace('\n', " ");
        write!(text, "\n## `[{title}]`\n\n{said}\n\n").unwrap();
        assert!(rows(table, &schema, &mut text).is_empty());
    }
    check("experiment-keys.md", &text);
}
