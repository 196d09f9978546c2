use super::*;

#[test]
fn what_is_typed_is_a_command_or_words() {
    let words = |text: &str| Line::Words(text.into());
    for (typed, line) in [
        ("  ", Line::Empty),
        ("/help", Line::Help),
        ("/clear ", Line::Clear),
        ("/exit", Line::Exit),
        ("/quit", Line::Exit),
        ("/claer", Line::Unknown("/claer".into())),
        (" Hello? ", words("Hello?")),
        ("/etc/hosts is what?", words("/etc/hosts is what?")),
        ("/usr/share/doc/packages", words("/usr/share/doc/packages")),
    ] {
        assert_eq!(read(typed), line, "{typed}");
    }
}
