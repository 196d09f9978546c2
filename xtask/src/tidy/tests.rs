use std::path::Path;

use super::source::Source;
use super::*;

/// What a rule says of one file: the line and the problem of each finding.
fn check_text(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<(usize, String)> {
    let source = Source::parse(Path::new(path), text).expect("the example parses");
    rule(&source).into_iter().map(|finding| (finding.line, finding.problem)).collect()
}

fn lines(count: usize, line: &str) -> String {
    format!("{line}\n").repeat(count)
}

#[test]
fn the_repository_is_tidy() {
    let findings = check(&crate::root()).expect("the repository can be read");
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}", text.join("\n"));
}

#[test]
fn a_long_file_is_found_and_a_long_file_of_tests_is_not() {
    let text = lines(501, "const _: u8 = 0;");
    let found = check_text(sizes::check_source, "wire/src/big.rs", &text);
    assert_eq!(found, [(1, "501 lines of code, over 500".to_owned())]);
    assert_eq!(check_text(sizes::check_source, "wire/src/big/tests.rs", &text), []);
    assert_eq!(check_text(sizes::check_source, "server/tests/big.rs", &text), []);
}

#[test]
fn blank_lines_and_comments_are_not_code() {
    let text =
        format!("{}{}/*\n{}*/\nconst A: u8 = 0;\n", lines(400, ""), lines(400, "// x"), lines(400, "x"));
    let source = Source::parse(Path::new("a/src/lib.rs"), &text).expect("the example parses");
    assert_eq!(source.code_total(), 1);
}

#[test]
fn a_function_is_measured_by_its_body() {
    let text = format!("\nfn long() {{\n{}}}\n", lines(71, "f();"));
    let found = check_text(sizes::check_source, "a/src/lib.rs", &text);
    assert_eq!(found, [(2, "`long` has 71 lines of code, over 70".to_owned())]);
    let text = format!("impl A {{ fn fits(&self) {{\n{}}} }}\n", lines(70, "f();"));
    assert_eq!(check_text(sizes::check_source, "a/src/lib.rs", &text), []);
}

#[test]
fn a_sixth_parameter_is_found_unless_a_trait_asks_for_it() {
    let wide = "(&self, a: u8, b: u8, c: u8, d: u8, e: u8) {}";
    let found = check_text(sizes::check_source, "a/src/lib.rs", &format!("impl A {{ fn wide{wide} }}"));
    assert_eq!(found, [(1, "`wide` takes 6 parameters, over 5".to_owned())]);
    assert_eq!(
        check_text(sizes::check_source, "a/src/lib.rs", &format!("impl T for A {{ fn wide{wide} }}")),
        []
    );
}

#[test]
fn tests_inside_the_file_that_they_test_are_found() {
    let text = format!("mod tests {{\n{}}}\n", lines(9, "fn f() {}"));
    let found = check_text(sizes::check_source, "a/src/lib.rs", &text);
    assert_eq!(found, [(1, "tests inside the file that they test".to_owned())]);
    assert_eq!(check_text(sizes::check_source, "a/src/lib.rs", "#[cfg(test)]\nmod tests;\n"), []);
}

#[test]
fn a_name_that_says_nothing_is_found_in_modules_and_in_paths() {
    let problem = "`utils` says nothing of what is inside".to_owned();
    assert_eq!(check_text(names::check_source, "a/src/lib.rs", "\nmod utils;"), [(2, problem.clone())]);
    assert_eq!(check_text(names::check_source, "a/src/utils.rs", ""), [(0, problem.clone())]);
    assert_eq!(check_text(names::check_source, "a/src/utils/mod.rs", ""), [(0, problem)]);
    assert_eq!(check_text(names::check_source, "a/src/ledger.rs", "mod price;"), []);
}

#[test]
fn a_silenced_lint_is_found_and_an_expected_one_is_not() {
    let problem = "a lint is silenced for good".to_owned();
    for text in [
        "\n#[allow(dead_code)]\nfn f() {}",
        "\n#![allow(dead_code)]",
        "\n#[cfg_attr(test, allow(x))]\nfn f() {}",
    ] {
        assert_eq!(
            check_text(attributes::check_source, "a/src/lib.rs", text),
            [(2, problem.clone())],
            "{text}"
        );
    }
    let expected = "#[expect(dead_code, reason = \"x\")]\nfn f() {}";
    assert_eq!(check_text(attributes::check_source, "a/src/lib.rs", expected), []);
}

#[test]
fn unsafe_is_found_outside_its_rooms_only() {
    let problem = "`unsafe` outside its rooms".to_owned();
    for text in ["fn f() {\nunsafe { g() }\n}", "\nunsafe fn f() {}", "\nunsafe impl Send for A {}"] {
        assert_eq!(
            check_text(unsafety::check_source, "a/src/lib.rs", text),
            [(2, problem.clone())],
            "{text}"
        );
        assert_eq!(check_text(unsafety::check_source, "engine/src/kernels/avx2.rs", text), [], "{text}");
    }
}

#[test]
fn an_arrow_that_the_table_lacks_is_found_also_from_tests() {
    let check = |from: &str, to: &str, for_tests: bool| {
        let found = arrows::check_arrows(Path::new("Cargo.toml"), from, &[arrows::Arrow { to, for_tests }]);
        found.into_iter().map(|finding| finding.problem).collect::<Vec<_>>()
    };
    for for_tests in [false, true] {
        assert_eq!(check("gateway", "wire", for_tests), ["`gateway` may not know `wire`"]);
        assert_eq!(check("engine", "wire", for_tests), ["`engine` may not know `wire`"]);
        assert_eq!(check("canon", "wire", for_tests), ["`canon` may not know `wire`"]);
        assert_eq!(check("providers", "wire", for_tests), [""; 0]);
    }
    assert_eq!(check("helpers", "canon", false), ["crate `helpers` has no row in the table of arrows"]);
}
