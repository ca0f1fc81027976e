//! Jinja as lm-evaluation-harness renders it (`apply_template` of its 0.4.13), and transformers 4.57.1 for
//! chats (`_compile_jinja_template`), by minijinja.
//!
//! Where minijinja is not Python, it is made so, or refuses: white space, capitals, `list.index`, how numbers and lists
//! are printed, and filters (`filters.rs`). `xtask/peers/templates.py` compares random templates.

mod filters;

use std::fmt::Write as _;

use chrono::NaiveDateTime;
use likra_files::PythonJson;
use minijinja::syntax::{SyntaxConfig, SyntaxConfigBuilder};
use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use minijinja_contrib::pycompat;
use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::python_text::{self, capitalize, is_python_space};
use crate::time::Time;

/// The templates of one task, by name.
#[derive(Debug)]
pub(crate) struct Templates(Environment<'static>);

/// The variable that holds the value of a template that is one expression.
const VALUE: &str = "likra_value";

/// How many steps a template may take, or pieces of 64 bytes make: more than one for the longest chat, and too few to take
/// all memory.
const FUEL: u64 = 10_000_000;

/// What the two kinds of templates share.
fn environment(syntax: &mut SyntaxConfigBuilder) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_fuel(Some(FUEL));
    if let Ok(syntax) = syntax.build() {
        env.set_syntax(syntax);
    }
    env.set_unknown_method_callback(method);
    filters::add(&mut env);
    // To minijinja, None and what is undefined have items, too: none.
    let has_items = |value: &Value| !value.is_none() && value.try_iter().is_ok();
    env.add_test("iterable", has_items);
    env.add_test("sequence", move |value: &Value| {
        !value.is_undefined() && has_items(value)
    });
    env
}

/// For chat templates; `now` is what their `strftime_now` says.
pub(crate) fn chat_environment(now: NaiveDateTime) -> Environment<'static> {
    let mut syntax = SyntaxConfig::builder();
    let mut env = environment(syntax.trim_blocks(true).lstrip_blocks(true));
    env.set_formatter(|out, _, value| Ok(out.write_str(&python_text::display(value))?));
    env.add_filter("tojson", tojson);
    let is_list = |value: &Value| !value.is_none() && value.try_iter().is_ok();
    env.add_test("sequence", is_list);
    env.add_function("raise_exception", |message: String| {
        Err::<Value, _>(invalid(message.clone()).with_source(Refusal(message)))
    });
    env.add_function("strftime_now", move |format: &str| {
        let mut text = String::new();
        // Python has microseconds.
        let written = write!(text, "{}", now.format(&format.replace("%f", "%6f")));
        written.map_err(|_| invalid(format!("{format}: no format of a time")))?;
        Ok::<_, Error>(text)
    });
    env
}

/// What a chat template says against messages.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(String);

impl Refusal {
    /// Whether jinja2 calls it an error of the template, and not Python one of its own.
    pub(crate) fn is(error: &Error) -> bool {
        let source = std::error::Error::source(error);
        let refusal = source.and_then(|source| source.downcast_ref::<Self>());
        // Not what minijinja lacks and jinja2 has: without the system's message, that would go unnoticed.
        refusal.is_some() || error.kind() == ErrorKind::UndefinedError
    }
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=indent)`.
fn tojson(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    if indent.is_some_and(|indent| indent > 100) {
        return Err(invalid("tojson: an indent of more than 100".into()));
    }
    let is_sorted = options.get::<Option<bool>>("sort_keys")? == Some(true);
    if options.get::<Option<bool>>("ensure_ascii")? == Some(true) {
        return Err(invalid("tojson with ensure_ascii is not supported".into()));
    }
    options.assert_all_used()?;
    check_json(value)?;
    let sorted = is_sorted.then(|| serde_json::to_value(value)).transpose();
    let sorted = sorted.map_err(|error| invalid(error.to_string()))?;
    let value = &sorted.map_or_else(|| value.clone(), |sorted| Serde(sorted).into());
    let mut json = Vec::new();
    let written = match indent {
        Some(indent) => {
            let indent = " ".repeat(indent);
            let pretty = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut json, pretty))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut json, PythonJson)),
    };
    written.map_err(|error| invalid(error.to_string()))?;
    Ok(String::from_utf8_lossy(&json).into_owned())
}

fn check_json(value: &Value) -> Result<(), Error> {
    match python_text::is_endless(value) {
        _ if value.is_undefined() => Err(invalid("tojson of what is undefined".into())),
        true => Err(invalid("tojson of what holds itself".into())),
        false => Ok(()),
    }
}

/// Jinja2's own filter: the keys in order, all that is not ASCII escaped, and what HTML has a meaning for.
fn html_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    check_json(value)?;
    // Which sorts the keys of maps.
    let sorted = serde_json::to_value(value).map_err(|error| invalid(error.to_string()))?;
    let text = tojson(&Serde(sorted).into(), options)?;
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            ' '..='~' | '\n' if !"<>&'".contains(c) => escaped.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    Ok(escaped)
}

impl Templates {
    pub(crate) fn new() -> Self {
        let mut env = environment(SyntaxConfig::builder().keep_trailing_newline(true));
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        // What is undefined is refused before it comes here, but for an `if` that is false and has no `else`: nothing.
        env.set_formatter(|out, _, value| {
            if value.is_undefined() {
                return Ok(());
            }
            Time::check(value).map_err(|message| invalid(message.into()))?;
            Ok(out.write_str(&python_text::display(value))?)
        });
        env.add_filter("regex_replace", filters::regex_replace);
        // What jinja2 joins with such a text is escaped.
        for name in ["safe", "e", "escape"] {
            env.remove_filter(name);
        }
        env.add_filter("tojson", html_json);
        Self(env)
    }

    /// Compiles `source`; `name` is what errors call it. One expression alone keeps its value.
    pub(crate) fn add(&mut self, name: &str, source: &str) -> Result<(), String> {
        // As jinja2 does.
        let source = &source.replace("\r\n", "\n").replace('\r', "\n");
        let compiles = |source: &&str| self.0.compile_expression_owned(source.to_string()).is_ok();
        let source = match expression(source).filter(compiles) {
            Some(expression) => {
                let print =
                    format!("{{% if {VALUE} is undefined %}}{{{{ {VALUE} }}}}{{% endif %}}");
                format!("{{% set {VALUE} = {expression} %}}{print}")
            }
            None => source.to_owned(),
        };
        let added = self.0.add_template_owned(name.to_owned(), source);
        added.map_err(|error| message(&error))
    }

    /// The value of a template: what its one expression has, or else its text.
    pub(crate) fn value(&self, name: &str, row: &Value) -> Result<Value, String> {
        let rendered = || {
            let captured = self.0.get_template(name)?.render_captured(row.clone())?;
            match captured.state().lookup(VALUE) {
                Some(value) if !value.is_undefined() => {
                    Time::check(&value).map_err(|message| invalid(message.into()))?;
                    Ok(value)
                }
                _ => Ok(Value::from(captured.into_output())),
            }
        };
        rendered().map_err(|error: Error| format!("{name}: {}", message(&error)))
    }
}

/// What stands in `{{ }}`, if there is nothing else.
fn expression(source: &str) -> Option<&str> {
    let inside = source.strip_prefix("{{")?.strip_suffix("}}")?;
    let marks = ["{{", "}}", "{%", "{#"];
    let is_trimmed = inside.starts_with(['-', '+']) || inside.ends_with(['-', '+']);
    let has_marks = marks.iter().any(|mark| inside.contains(mark));
    Some(inside).filter(|_| !is_trimmed && !has_marks)
}

/// What went wrong, without the template's name and line.
pub(crate) fn message(error: &Error) -> String {
    match error.detail() {
        Some(detail) if std::error::Error::source(error).is_some() => detail.to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// Python's methods that minijinja-contrib lacks or has otherwise, before its own.
fn method(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let ("format", Some(text)) = (method, value.as_str()) {
        filters::check_widths(text, '{', args)?;
    }
    let is_bare = args.len() < 2 && args.iter().all(Value::is_none);
    Ok(match (method, value.as_str().filter(|_| is_bare)) {
        ("strip", Some(text)) => text.trim_matches(is_python_space).into(),
        ("lstrip", Some(text)) => text.trim_start_matches(is_python_space).into(),
        ("rstrip", Some(text)) => text.trim_end_matches(is_python_space).into(),
        ("split", Some(text)) => {
            let words = text.split(is_python_space).filter(|word| !word.is_empty());
            words.map(Value::from).collect()
        }
        ("capitalize", Some(text)) => capitalize(text).into(),
        ("title", Some(text)) if text.is_ascii() => {
            let mut after_letter = false;
            let title = text.chars().map(|c| {
                let starts = !std::mem::replace(&mut after_letter, c.is_alphabetic());
                if starts {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                }
            });
            title.collect::<String>().into()
        }
        ("splitlines", Some(text)) if text.is_ascii() => {
            let text = text.replace("\r\n", "\n");
            let is_end = |c| matches!(c, '\n'..='\r' | '\x1c'..='\x1e');
            let mut lines: Vec<&str> = text.split(is_end).collect();
            // An end of line ends a line, and begins none.
            lines.pop_if(|last| last.is_empty());
            lines.into_iter().map(Value::from).collect()
        }
        ("title" | "splitlines" | "isdigit" | "isnumeric", Some(text)) if !text.is_ascii() => {
            let message = format!("{method}() of a text beyond ASCII is not supported");
            return Err(invalid(message));
        }
        // What minijinja does not count.
        ("format", _) if value.as_str().is_some_and(|text| is_wide(text, args)) => {
            return Err(invalid(
                "format: a field of more than 9999 characters".into(),
            ));
        }
        ("split", _) if args.first().and_then(Value::as_str) == Some("") => {
            return Err(invalid("split: an empty separator".into()));
        }
        ("index", None) if value.kind() == ValueKind::Seq && args.len() == 1 => {
            let place = value.try_iter()?.position(|item| item == args[0]);
            let missing = || invalid(format!("{} is not in list", python_text::repr(&args[0])));
            place.ok_or_else(missing)?.into()
        }
        _ => return pycompat::unknown_method_callback(state, value, method, args),
    })
}

/// Whether a field of Python's `str.format` may be wide: its width has many digits, or is an argument that does.
fn is_wide(text: &str, args: &[Value]) -> bool {
    let fields = text
        .split('{')
        .skip(1)
        .filter_map(|field| field.split('}').next());
    let mut numbers = fields.flat_map(|field| field.split(|c: char| !c.is_ascii_digit()));
    let is_large = |value: &Value| value.as_i64().is_some_and(|number| number > 9999);
    numbers.any(|digits| digits.len() > 4) || (text.contains(":{") && args.iter().any(is_large))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, row: &str) -> Result<String, String> {
        let mut templates = Templates::new();
        templates.add("t", source)?;
        let row: Value = serde_json::from_str(row).unwrap();
        let value = templates.value("t", &row)?;
        Ok(python_text::display(&value))
    }

    /// Printed by jinja2 3.1.6 with the harness's environment.
    #[test]
    fn templates_print_what_jinja2_prints() {
        let row = r#"{"q": " a\u001cb \u001f", "n": 3, "f": 1e-7, "l": ["it's", "\u00a0", 2.0, null], "c": {"label": ["A", "B"]}, "t": "xX ǆ"}"#;
        for (source, expected) in [
            ("{{q.strip()}}|\n", "a\u{1c}b|\n"),
            ("{{c.label.index('B')}}", "1"),
            ("{{l}}", r#"["it's", '\xa0', 2.0, None]"#),
            ("{{f}} {{n / 2}} {{1e16}}", "1e-07 1.5 1e+16"),
            ("{{' 4 '|int - 1}} {{'x'|int}} {{'2.7'|int}}", "3 0 2"),
            ("{{t.capitalize()}}", "Xx ǆ"),
            (
                "{{'a[b]c [d'|regex_replace('\\\\[(.*?)\\\\]', '<\\\\1>')}}",
                "a<b>c [d",
            ),
            ("{% set a = 'x' %}{{a + '{{'}}", "x{{"),
            ("{{ [q, n]|length }}", "2"),
            (
                "{% for x in [1, 2] %}{{x}}{{ ', ' if not loop.last }}{% endfor %}",
                "1, 2",
            ),
            ("{{ 'x' if false }}", ""),
            (
                "{{ [nothing] }} {{ ['b', 'A']|sort }} {{ [2, true]|max }}",
                "[Undefined] ['A', 'b'] 2",
            ),
            (
                "{{ '%5s|'|format('a') }}{{ '{:>3}'.format(n) }}",
                "    a|  3",
            ),
            (
                "{{ \"don't stop 3rd U.S.A x1y\".title() }}",
                "Don'T Stop 3Rd U.S.A X1Y",
            ),
            (
                "{{ 'a\\fb\\nc\\r\\nd\\n'.splitlines() }}",
                "['a', 'b', 'c', 'd']",
            ),
            ("{{ 1e16|string }} {{ true|float }}", "1e+16 1.0"),
            ("{{ 'x'|int(default=9) }} {{ 'x'|float(2.5) }}", "9 2.5"),
            ("{{ 'aa'|regex_replace('a', 'b', count=1) }}", "ba"),
            ("{{ 'x' is sequence }} {{ none is iterable }}", "True False"),
            (
                "{{ {'b': \"é'<\", 'a': 1e-7}|tojson }}",
                r#"{"a": 1e-07, "b": "\u00e9\u0027\u003c"}"#,
            ),
            ("{{ [f, n, none]|join(' ') }}\r\n.", "1e-07 3 None\n."),
        ] {
            assert_eq!(render(source, row).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn a_namespace_that_holds_itself_has_an_end() {
        let itself = "{% set ns = namespace() %}{% set ns.a = ns %}{% set ns.b = [ns] %}";
        assert!(
            render(&format!("{itself}{{{{ ns }}}}."), "{}")
                .unwrap()
                .contains("...")
        );
        assert!(render(&format!("{itself}{{{{ ns|tojson }}}}."), "{}").is_err());
    }

    #[test]
    fn what_jinja2_refuses_is_refused() {
        for source in [
            "{{missing}}",
            "{{c.label.index('C')}}",
            "{{missing.strip()}} x",
            "{{q|nofilter}}",
            "{{",
            "{{c.other + ''}}",
            "{{ '%0999999999999d'|format(n) }}",
            // Where minijinja has another answer than Python, or one where Python has none.
            "{{ '%5s'|format('é') }}",
            "{{ '{0:>5}'.format('é') }}",
            "{{ ['ß', 'x']|sort }}",
            "{{ ['ß', 'x']|map('lower')|max }}",
            "{{ [1, 'a']|sort }}",
            "{{ [none, 1]|max }}",
            "{{ 'abc'.split('') }}",
            "{{ '5_0'|int }}",
            "{{ '٣'|float }}",
            "{{ [1]|pprint }}",
            "{{ 'a\\rb'|indent }}",
            "{{ []|first|tojson }}",
            "{{ 'ΑΣ'|title }}",
            "{{ '{:>9999999999}'.format(q) }}",
            "{{ '{:{}}'.format(q, 9999999999) }}",
            "{{ q|indent(99999999999, true) }}",
            "{{ (q * 9999)|replace('', q * 9999) }}",
            "{{ q|tojson(indent=99999999999) }}",
            "{{ c.label|batch(9999999999, 1)|list }}",
            "{{ c.label|slice(9999999999)|list }}",
            "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        ] {
            assert!(
                render(source, r#"{"q": "x", "c": {"label": ["A"]}}"#).is_err(),
                "{source}"
            );
        }
    }
}
