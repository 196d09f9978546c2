use super::*;

#[test]
fn words_are_flush_left_and_numbers_right() {
    let columns = [Column::Left("MODEL"), Column::Right("TOKENS"), Column::Left("KEY")];
    let rows = [["é", "7", "root"], ["longer", "1234567", ""]].map(|row| row.map(str::to_owned));
    assert_eq!(render(&columns, &rows), "MODEL    TOKENS  KEY\né             7  root\nlonger  1234567\n");
}
