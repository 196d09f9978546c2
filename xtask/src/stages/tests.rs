use super::*;

#[test]
fn a_name_that_is_no_stages_is_refused() {
    let problem = run(&["tidi".to_owned()], &[]).expect_err("there is no such stage");
    assert!(problem.contains("`tidi`"), "{problem}");
}

#[test]
fn every_stage_has_a_name_of_its_own_and_the_clients_come_last() {
    let mut names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
    assert_eq!(names.last(), Some(&"clients"), "cargo's summary of the clients' cases ends the run");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), STAGES.len());
}

#[test]
fn the_remark_adds_up_what_cargo_says() {
    let text =
        "running 2 tests\ntest result: ok. 2 passed; 0 failed\n\ntest result: ok. 40 passed; 1 ignored\n";
    assert_eq!(passed(text), "42 tests passed");
    assert_eq!(passed("Finished"), "");
}
