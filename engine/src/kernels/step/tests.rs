use super::Step;
use crate::kernels::{Place, Places};

#[test]
fn a_row_is_alone_where_nobody_else_has_its_sequence_or_its_page() {
    let place = |page, slot| Place { page, slot };
    // The first two sequences share a full page; the last two hold the same page, which only one of them may do.
    let step = Step::new(
        Places::new(vec![place(1, 0), place(2, 0), place(2, 1), place(3, 5)]),
        (vec![32, 32, 33, 5], vec![0, 1, 1, 2]),
        vec![&[0, 1], &[0, 2], &[3], &[3]],
        Vec::new(),
    );
    assert_eq!(step.alone, [true, false, false, false]);
    // A row that sees more than its own page waits for what is kept there.
    let step = Step::new(Places::new(vec![place(0, 9)]), (vec![40], vec![0]), vec![&[0, 1]], Vec::new());
    assert_eq!(step.alone, [false]);
}
