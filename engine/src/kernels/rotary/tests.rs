use super::{Turn, Turning, rotate};

#[test]
fn pairs_turn_by_their_angles_and_the_rest_stays() {
    let quarter = [(0.0, 1.0); 4];
    let head: Vec<f32> = (1..=12).map(|x| x as f32).collect();
    for (turning, expected) in [
        (Turning::Neighbours, [-2.0, 1.0, -4.0, 3.0, -6.0, 5.0, -8.0, 7.0]),
        (Turning::Halves, [-5.0, -6.0, -7.0, -8.0, 1.0, 2.0, 3.0, 4.0]),
    ] {
        let mut head = head.clone();
        rotate(&mut head, Turn { turning, angles: &quarter });
        assert_eq!(head[..8], expected);
        assert_eq!(head[8..], [9.0, 10.0, 11.0, 12.0]);
    }
}
