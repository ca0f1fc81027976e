//! Days and times of day in rows, as Python prints them.

use std::fmt;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike as _};
use minijinja::value::{Object, ObjectRepr, Value};

/// Python's `datetime.date` or `datetime.datetime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    Day(NaiveDate),
    Moment(NaiveDateTime),
    /// One with a zone or nanoseconds, which is not read.
    Unread,
}

const UNREAD: &str = "a time with a zone or nanoseconds, which is not read; expected a text";

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Moment(moment) if moment.nanosecond() == 0 => {
                write!(f, "{}", moment.format("%Y-%m-%d %H:%M:%S"))
            }
            Self::Moment(moment) => write!(f, "{}", moment.format("%Y-%m-%d %H:%M:%S.%6f")),
            Self::Unread => f.write_str(UNREAD),
        }
    }
}

impl Time {
    /// Python's `repr`.
    pub(crate) fn repr(&self) -> String {
        let moment = match self {
            Self::Day(day) => return day.format("datetime.date(%Y, %-m, %-d)").to_string(),
            Self::Moment(moment) => moment,
            Self::Unread => return UNREAD.into(),
        };
        let rest = match (moment.second(), moment.nanosecond() / 1000) {
            (0, 0) => String::new(),
            (seconds, 0) => format!(", {seconds}"),
            (seconds, micros) => format!(", {seconds}, {micros}"),
        };
        let start = moment.format("datetime.datetime(%Y, %-m, %-d, %-H, %-M");
        format!("{start}{rest})")
    }

    pub(crate) fn is_one(value: &Value) -> bool {
        value.downcast_object_ref::<Self>().is_some()
    }

    /// Refuses one that is not read.
    pub(crate) fn check(value: &Value) -> Result<(), &'static str> {
        match value.downcast_object_ref() {
            Some(Self::Unread) => Err(UNREAD),
            _ => Ok(()),
        }
    }
}

impl Object for Time {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Time> for Value {
    fn from(time: Time) -> Self {
        Self::from_object(time)
    }
}

/// A text that pyarrow's reader of JSON takes for a moment: in ISO 8601, to the second, with or without a zone.
pub(crate) fn moment(text: &str) -> Option<Time> {
    let shape = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    let (day, rest) = text.split_at_checked(10)?;
    if shape(day) != "0000-00-00" {
        return None;
    }
    let day: NaiveDate = day.parse().ok()?;
    if rest.is_empty() {
        return Some(Time::Moment(day.into()));
    }
    let rest = rest.strip_prefix(['T', ' '])?;
    let (clock, zone) = rest.split_at(rest.find(['Z', '+', '-']).unwrap_or(rest.len()));
    let clock = match &*shape(clock) {
        "00" => format!("{clock}:00:00"),
        "00:00" => format!("{clock}:00"),
        "00:00:00" => clock.to_owned(),
        _ => return None,
    };
    // The 60th second is none.
    let clock = NaiveTime::parse_from_str(&clock, "%H:%M:%S").ok();
    let clock = clock.filter(|clock| clock.nanosecond() == 0)?;
    let ahead = match &*shape(zone) {
        "" | "Z" => 0,
        "+00" | "-00" | "+0000" | "-0000" | "+00:00" | "-00:00" => {
            let digits = zone[1..].replace(':', "");
            let (hours, minutes) = digits.split_at(2);
            let minutes = minutes.parse().unwrap_or(0) + 60 * hours.parse::<i64>().ok()?;
            if zone.starts_with('-') {
                -minutes
            } else {
                minutes
            }
        }
        _ => return None,
    };
    let moment = day.and_time(clock);
    let moment = moment.checked_sub_signed(TimeDelta::minutes(ahead))?;
    Some(Time::Moment(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by pyarrow 26.0.1 and Python.
    #[test]
    fn texts_are_moments_as_to_pyarrow() {
        for (text, expected) in [
            ("2020-01-01", "2020-01-01 00:00:00"),
            ("2020-01-01 10", "2020-01-01 10:00:00"),
            ("2020-01-01T10:11", "2020-01-01 10:11:00"),
            ("2020-01-01T10:11:12Z", "2020-01-01 10:11:12"),
            ("2020-01-01T10:11:12+02:00", "2020-01-01 08:11:12"),
            ("2020-01-01 10:11:12+02", "2020-01-01 08:11:12"),
        ] {
            assert_eq!(moment(text).unwrap().to_string(), expected);
        }
        for text in [
            "2020-1-1",
            "2020-02-30",
            "20200101",
            "2020-01-01Z",
            " 2020-01-01",
            "2020-01-01 10:11:12.000",
            "2020-01-01 10:11:60",
            "2020-01-01 24:00:00",
            "2020",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
