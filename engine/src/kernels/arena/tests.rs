use super::*;

#[test]
fn lines_are_zeros_of_their_own() {
    let mut arena = Arena::default();
    let mut all: Vec<Lines> = [1, 3, 0, 5].into_iter().map(|len| arena.lines(len).unwrap()).collect();
    for (number, lines) in all.iter_mut().enumerate() {
        assert!(lines.iter().all(|line| line.0 == [0; 64]));
        lines.iter_mut().for_each(|line| line.0 = [number as u8 + 1; 64]);
    }
    for (number, lines) in all.iter().enumerate() {
        assert!(lines.iter().all(|line| line.0 == [number as u8 + 1; 64]), "{number} was written over");
    }
    assert_eq!(all[0].as_ptr().addr() % LARGE_PAGE_BYTES, 0);
    assert_eq!(all[3].as_ptr(), all[0].as_ptr().wrapping_add(4));
}

#[test]
fn a_piece_ends_where_its_lines_do() {
    let mut arena = Arena::default();
    let first = arena.lines(1).unwrap();
    let rest = arena.lines(PIECE_BYTES / size_of::<Line>() - 1).unwrap();
    assert_eq!(rest.as_ptr(), first.as_ptr().wrapping_add(1));
    let mut other = arena.lines(2 * PIECE_BYTES / size_of::<Line>() + 1).unwrap();
    other.last_mut().unwrap().0[63] = 1;
    let pieces = [&first, &rest, &other].map(|lines| Arc::as_ptr(&lines.piece));
    assert!(pieces[0] == pieces[1] && pieces[1] != pieces[2]);
    let piece = Arc::downgrade(&first.piece);
    drop((first, rest));
    assert!(piece.upgrade().is_none(), "memory is kept that nobody uses");
}
