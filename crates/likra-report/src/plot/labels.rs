//! Labels at the ends of lines, moved apart where they would overlap.

/// Rounds of moving; each halves what is left of an overlap.
const ROUNDS: usize = 200;

/// Moves positions until neighbours are at least `gap` apart, each no further than its neighbours
/// push it. Their order stays.
pub(crate) fn spread(positions: &[f64], gap: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a].total_cmp(&positions[b]));
    let mut spread = positions.to_vec();
    for _ in 0..ROUNDS {
        for pair in order.windows(2) {
            let (upper, lower) = (pair[0], pair[1]);
            let overlap = gap - (spread[lower] - spread[upper]);
            if overlap > 0.0 {
                spread[upper] -= overlap / 2.0;
                spread[lower] += overlap / 2.0;
            }
        }
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_stay() {
        assert_eq!(spread(&[30.0, 10.0, 50.0], 16.0), [30.0, 10.0, 50.0]);
    }

    #[test]
    fn labels_without_room_part_around_their_middle() {
        assert_eq!(spread(&[12.0, 8.0], 16.0), [18.0, 2.0]);
        let three = spread(&[10.0, 10.0, 10.0], 16.0);
        for (found, expected) in three.iter().zip([-6.0, 10.0, 26.0]) {
            assert!((found - expected).abs() < 1e-6, "{three:?}");
        }
    }
}
