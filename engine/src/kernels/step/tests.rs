use super::Step;
use crate::kernels::{Cache, Geometry, KvType, Page, Place, Places};

fn cache() -> Cache {
    Cache::new(Geometry { layers: 1, heads: 1, head_len: 16, kv: KvType::F16 })
}

fn place(page: Page, slot: u32) -> Place {
    Place { page, slot }
}

#[test]
fn a_row_is_alone_where_nobody_else_has_its_sequence_or_its_page() {
    let mut cache = cache();
    // The first two sequences share a full page; the last two hold the same page, which only one of them may do.
    let step = Step::new(
        &mut cache,
        Places::new(vec![place(1, 0), place(2, 0), place(2, 1), place(3, 5)]),
        (vec![32, 32, 33, 5], vec![0, 1, 1, 2]),
        vec![&[0, 1], &[0, 2], &[3], &[3]],
        Vec::new(),
    );
    assert_eq!(step.alone, [true, false, false, false]);
    // A row that sees more than its own page waits for what is kept there.
    let places = Places::new(vec![place(0, 9)]);
    let step = Step::new(&mut cache, places, (vec![40], vec![0]), vec![&[0, 1]], Vec::new());
    assert_eq!(step.alone, [false]);
}

#[test]
fn a_step_divides_where_no_part_sees_what_another_writes() {
    let mut cache = cache();
    let mut check = |pages: [&[Page]; 2], parts: &[Vec<usize>]| {
        // The first sequence has two rows.
        let places = Places::new(vec![place(1, 1), place(2, 0), place(1, 2)]);
        let rows = (vec![33, 32, 34], vec![0, 1, 0]);
        let step = Step::new(&mut cache, places, rows, pages.to_vec(), Vec::new());
        step.divides(parts).then(|| step.divide(parts).into_iter().map(|part| part.alone).collect::<Vec<_>>())
    };
    let parts = [vec![0, 2], vec![1]];
    let divided = check([&[0, 1], &[0, 2]], &parts);
    assert_eq!(divided, Some(vec![vec![false, false], vec![true]]), "a full page is shared");
    assert_eq!(check([&[0, 1], &[0, 2]], &[vec![0], vec![1, 2]]), None, "a sequence in two parts");
    assert_eq!(check([&[0, 1], &[0, 2]], &[vec![0, 2], vec![2]]), None, "a row in two parts");
    assert_eq!(check([&[0, 1], &[1, 2]], &parts), None, "a page that is written and seen");
}
