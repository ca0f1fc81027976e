//! Times as people say them.

use std::time::Duration;

/// `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub fn humantime(time: Duration) -> String {
    // Rounded first: 59.97 s is a minute.
    let tenths = (time.as_secs_f64() * 10.0).round();
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        _ if tenths < 600.0 => format!("{:.1} s", tenths / 10.0),
        0..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => {
            let minutes = (seconds + 30) / 60;
            format!("{} h {} min", minutes / 60, minutes % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let milliseconds = [40, 4_230, 59_940, 59_970, 200_000, 3_599_800, 7_500_000];
        let found = milliseconds.map(|time| humantime(Duration::from_millis(time)));
        let expected = [
            "0.0 s",
            "4.2 s",
            "59.9 s",
            "1 min 0 s",
            "3 min 20 s",
            "1 h 0 min",
            "2 h 5 min",
        ];
        assert_eq!(found, expected);
    }
}
