//! Filters that Python has otherwise than minijinja.

use std::sync::{Arc, Mutex, PoisonError};
use std::vec::IntoIter;

use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};

use super::invalid;
use crate::python_regex;
use crate::python_text::{self, capitalize, is_python_space};

/// Adds them, for templates of both kinds.
pub(super) fn add(env: &mut Environment) {
    env.add_filter("trim", |value: &Value, characters: Option<&str>| {
        let is_taken_off = |c| characters.map_or(is_python_space(c), |all| all.contains(c));
        let text = python_text::display(value);
        text.trim_matches(is_taken_off).to_owned()
    });
    env.add_filter("capitalize", |text: &str| capitalize(text));
    env.add_filter("join", join);
    env.add_filter("int", int);
    env.add_filter("float", float);
    env.add_filter("string", |value: &Value| python_text::display(value));
    env.add_filter("default", default);
    env.add_filter("d", default);
    add_generators(env);
    add_comparisons(env);
    env.add_filter("plain format", filters::format);
    env.add_filter(
        "format",
        |state: &mut State, text: &str, args: Rest<Value>, named: Kwargs| {
            check_widths(text, '%', &args)?;
            apply(
                state,
                "plain format",
                &[&[text.into()], &args[..]].concat(),
                named,
            )
        },
    );
    env.add_filter("title", |text: String| match text.contains('Σ') {
        true => Err(invalid("title of a text with Σ is not supported".into())),
        false => Ok(filters::title(text.into())),
    });
    env.add_filter("indent", indent);
    env.add_filter("replace", replace);
    // It prints otherwise than Python's.
    env.remove_filter("pprint");
}

/// The most bytes that a filter may add.
const MOST: usize = 1 << 26;

fn replace(text: &Value, old: &Value, new: &Value, count: Option<usize>) -> Result<String, Error> {
    let [text, old, new] = [text, old, new].map(python_text::display);
    let count = count.unwrap_or(usize::MAX);
    match text
        .matches(&*old)
        .take(count)
        .count()
        .saturating_mul(new.len())
        > MOST
    {
        true => Err(invalid("replace: a text of more than 64 MiB".into())),
        false => Ok(text.replacen(&old, &new, count)),
    }
}

/// minijinja drops a break at the end.
fn indent(
    text: &str,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    named: Kwargs,
) -> Result<String, Error> {
    let width = width.or(named.get("width")?).unwrap_or(4);
    let first = first.or(named.get("first")?).unwrap_or_default();
    let blank = blank.or(named.get("blank")?).unwrap_or_default();
    named.assert_all_used()?;
    // Python knows more breaks.
    let is_other =
        |c| matches!(c, '\x0b'..='\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    if text.contains(is_other) {
        return Err(invalid("indent: expected lines that end in \\n".into()));
    }
    if text.split('\n').count().saturating_mul(width) > MOST {
        return Err(invalid("indent: a text of more than 64 MiB".into()));
    }
    let lines = text.split('\n').enumerate().map(|(place, line)| {
        let is_indented = if place == 0 {
            first
        } else {
            blank || !line.is_empty()
        };
        [&" ".repeat(if is_indented { width } else { 0 }), line].concat()
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Refuses what minijinja pads by bytes: a text beyond ASCII, where fields begin with `mark` and one has a number.
pub(super) fn check_widths(text: &str, mark: char, args: &[Value]) -> Result<(), Error> {
    let mut fields = text.split(mark).skip(1);
    let has_width = |field: &str| {
        let end = match mark {
            '{' => field.find('}'),
            _ => field.find(char::is_alphabetic),
        };
        field[..end.unwrap_or(field.len())].contains(|c: char| c.is_ascii_digit())
    };
    let is_other = |value: &Value| !python_text::repr(value).is_ascii();
    match fields.any(has_width) && args.iter().any(is_other) {
        true => Err(invalid(
            "format: a width for a text beyond ASCII is not supported".into(),
        )),
        false => Ok(()),
    }
}

/// Jinja2's filter, whose items are printed as Python does.
fn join(items: Value, between: Option<&str>) -> Result<String, Error> {
    let text = |item: Value| match item.is_undefined() {
        true => Err(Error::from(ErrorKind::UndefinedError)),
        false => Ok(python_text::display(&item)),
    };
    let texts: Vec<String> = items.try_iter()?.map(text).collect::<Result<_, _>>()?;
    Ok(texts.join(between.unwrap_or_default()))
}

/// Jinja2's filter, whose last argument has another name here.
fn default(
    value: &Value,
    other: Option<Value>,
    boolean: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    let other = other.or(named.get("default_value")?);
    let boolean = boolean.or(named.get("boolean")?).unwrap_or_default();
    named.assert_all_used()?;
    let is_there = !value.is_undefined() && (!boolean || value.is_true());
    Ok(if is_there {
        value.clone()
    } else {
        other.unwrap_or_else(|| "".into())
    })
}

/// What some filters of jinja2 make of a list: true even if nothing is in it, without a length, and empty once it was
/// gone through.
#[derive(Debug)]
struct Generator(Arc<Mutex<IntoIter<Value>>>);

impl Object for Generator {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let items = Arc::clone(&self.0);
        let next = move || items.lock().unwrap_or_else(PoisonError::into_inner).next();
        Enumerator::Iter(Box::new(std::iter::from_fn(next)))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
}

/// Lets filters that compare refuse what Python would put into another order, or not at all.
fn add_comparisons(env: &mut Environment) {
    macro_rules! comparisons {
        ($($name:ident)*) => {$(
            let plain = concat!("plain ", stringify!($name));
            env.add_filter(plain, filters::$name);
            let checked = move |state: &mut State, value: Value, args: Rest<Value>, named: Kwargs| {
                let value = match value.kind() {
                    ValueKind::Iterable => value.try_iter()?.collect(),
                    _ => value,
                };
                check_order(&value)?;
                apply(state, plain, &[&[value], &args[..]].concat(), named)
            };
            env.add_filter(stringify!($name), checked);
        )*};
    }
    comparisons!(sort dictsort groupby min max);
}

fn check_order(value: &Value) -> Result<(), Error> {
    // minijinja folds cases where Python makes letters small.
    if !python_text::repr(value).is_ascii() {
        return Err(invalid(
            "an order of texts beyond ASCII is not supported".into(),
        ));
    }
    let kinds = value.try_iter()?.map(|item| match item.kind() {
        ValueKind::Bool => ValueKind::Number,
        kind => kind,
    });
    let kinds: Vec<ValueKind> = kinds.collect();
    let is_mixed = |pair: &[ValueKind]| pair[0] != pair[1] || pair[0] == ValueKind::None;
    match kinds.windows(2).any(is_mixed) {
        true => Err(invalid("an order of values of different types".into())),
        false => Ok(()),
    }
}

fn apply(state: &mut State, filter: &str, args: &[Value], named: Kwargs) -> Result<Value, Error> {
    let has_named = named.args().next().is_some();
    let named = has_named.then(|| named.into());
    state.apply_filter(filter, &[args, named.as_slice()].concat())
}

/// Lets filters that make a list make a [`Generator`].
fn add_generators(env: &mut Environment) {
    macro_rules! generators {
        ($($name:ident)*) => {$(
            let list = concat!("list of ", stringify!($name));
            env.add_filter(list, filters::$name);
            let once = move |state: &mut State, args: Rest<Value>, named: Kwargs| {
                let made = apply(state, list, &args, named)?;
                if made.kind() == ValueKind::String {
                    return Ok(made);
                }
                let items: Vec<Value> = made.try_iter()?.collect();
                let items = Arc::new(Mutex::new(items.into_iter()));
                Ok::<_, Error>(Value::from_object(Generator(items)))
            };
            env.add_filter(stringify!($name), once);
        )*};
    }
    generators!(map select reject selectattr rejectattr unique batch slice reverse);
}

/// Jinja2's filter: what is no number gives `default`.
fn float(value: Value, given: Option<f64>, named: Kwargs) -> Result<f64, Error> {
    let truth = (value.kind() == ValueKind::Bool).then(|| f64::from(value.is_true()));
    let float = truth.or_else(|| python_text::float(&value));
    let default: Option<f64> = given.or(named.get("default")?);
    named.assert_all_used()?;
    check_digits(&value)?;
    Ok(float.unwrap_or(default.unwrap_or(0.0)))
}

/// Python reads `1_000` and the digits of other scripts, too.
fn check_digits(value: &Value) -> Result<(), Error> {
    let is_other = |c: char| c == '_' || c.is_numeric() && !c.is_ascii();
    match value.as_str().is_some_and(|text| text.contains(is_other)) {
        true => Err(invalid("a number with other characters than 0 to 9".into())),
        false => Ok(()),
    }
}

/// Jinja2's filter: a text that is no number gives `default`.
fn int(value: Value, given: Option<i64>, named: Kwargs) -> Result<i64, Error> {
    let default: Option<i64> = given.or(named.get("default")?);
    named.assert_all_used()?;
    check_digits(&value)?;
    let whole = match value.as_str() {
        Some(text) => python_text::integer(text),
        None => value.as_i64(),
    };
    let float = python_text::float(&value).filter(|float| float.is_finite());
    let whole = whole.or(float.map(|float| float.trunc() as i64));
    Ok(whole.unwrap_or(default.unwrap_or(0)))
}

/// The harness's filter.
pub(super) fn regex_replace(
    text: &str,
    pattern: &str,
    replacement: &str,
    count: Option<usize>,
    named: Kwargs,
) -> Result<String, Error> {
    let count = count.or(named.get("count")?);
    named.assert_all_used()?;
    let count = count.filter(|count| *count > 0);
    python_regex::sub(pattern, replacement, text, count).map_err(invalid)
}
