use fancy_regex::Regex;
use proptest::prelude::*;

use super::{Splitter, Style};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The words of GPT-4o and Tekken; what ends each is `{end}`.
const CASED: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+{end}|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*{end}|\p{N}{digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const CONTRACTION: &str = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?";

/// Cuts by regular expressions applied one after another, each to what the one before left: the definition.
fn by_definition<'t>(expressions: &[&str], text: &'t str) -> Vec<&'t str> {
    let mut words = vec![text];
    for expression in expressions {
        let regex = Regex::new(expression).unwrap();
        words = words.into_iter().flat_map(|word| cut(&regex, word)).collect();
    }
    words
}

fn cut<'t>(regex: &Regex, text: &'t str) -> Vec<&'t str> {
    let mut words = Vec::new();
    let mut end = 0;
    for found in regex.find_iter(text) {
        let found = found.unwrap();
        words.extend(Some(&text[end..found.start()]).filter(|gap| !gap.is_empty()));
        words.push(found.as_str());
        end = found.end();
    }
    words.extend(Some(&text[end..]).filter(|gap| !gap.is_empty()));
    words
}

fn check(text: &str) {
    let qwen2 = LLAMA3.replace("{1,3}", "");
    let gpt4o = CASED.replace("{end}", CONTRACTION).replace("{digits}", "{1,3}");
    let tekken = CASED.replace("{end}", "").replace("{digits}", "");
    for (style, expressions) in [
        (Style::Gpt2, vec![GPT2]),
        (Style::SmolLm, vec![r"\p{N}", GPT2]),
        (Style::Llama3, vec![LLAMA3]),
        (Style::Dbrx, vec![LLAMA3]),
        (Style::Qwen2, vec![&*qwen2]),
        (Style::Gpt4o, vec![&*gpt4o]),
        (Style::Tekken, vec![&*tekken]),
    ] {
        let mut words = Vec::new();
        Splitter::new(style).unwrap().split(text, |word| words.push(word));
        assert_eq!(words, by_definition(&expressions, text), "{style:?}");
    }
}

#[test]
fn text_is_cut_as_the_published_expressions_cut_it() {
    for text in [
        "",
        "Hello, world! I'll say it's WE'RE",
        "a  b   c\t\td \n\n e\r\n f   ",
        "x1234567y 12 ½ Ⅷ ٣",
        " \u{a0}x \u{3000}\u{3000}y",
        "fn main() {\n    println!(\"{}\", a[0]);\n}\n",
        "naïve Ünïcode 漢字かな 🙂👨‍👩‍👧 e\u{301}'s",
        "camelCase HTTPServer iPhone's DON'T a/b//c ./\n/x ǅungla Ǆ xʰY 漢Aa 漢字Ab \u{301}a \u{301} A\u{301}b",
        "''' 'S 'LL 'lL! --- ...\n\n",
    ] {
        check(text);
    }
}

proptest! {
    #[test]
    fn any_text_is_cut_as_the_published_expressions_cut_it(
        text in "([a-zA-Z0-9 \t\r\n'.,!<>|_-]|[sdtmrvel]|['  ]|\\PC|[\u{a0}\u{2003}\u{85}٣½漢ǅʰ\u{301}/AÄä🙂]){0,40}"
    ) {
        check(&text);
    }
}

#[test]
fn an_unknown_pre_tokenizer_is_refused_by_name() {
    let fault = Style::named("falcon").unwrap_err();
    assert!(fault.message().contains("`falcon`"), "{fault}");
    assert!(fault.message().ends_with("dbrx, qwen2, gpt-4o, tekken"), "{fault}");
}
