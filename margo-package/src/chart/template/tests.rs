use super::{TokenKind, split};

fn tokens(source: &str) -> Vec<(usize, String)> {
    let mut tokens = Vec::new();
    split(source, |action| tokens.extend(action.iter().cloned()));
    tokens
        .into_iter()
        .map(|token| {
            let text = match token.kind {
                TokenKind::Word(word) => word,
                TokenKind::Text(text) => format!("<{text}>"),
                TokenKind::Symbol(symbol) => symbol.to_string(),
            };
            (token.line, text)
        })
        .collect()
}

fn text(source: &str) -> String {
    split(source, |_| {})
}

#[test]
fn actions_are_split_with_their_lines() {
    let source =
        "a\n{{- if (eq .Values.mode \"x\\\"}}\") -}}\nb {{ `raw\n}}` | quote\n}}\n{{ end }}";
    let expected = [
        (2, "if"),
        (2, "("),
        (2, "eq"),
        (2, ".Values.mode"),
        (2, "<x\"}}>"),
        (2, ")"),
        (3, "<raw\n}}>"),
        (4, "|"),
        (4, "quote"),
        (6, "end"),
    ];
    let expected = expected.map(|(line, text)| (line, text.to_owned()));
    assert_eq!(tokens(source), expected);
}

#[test]
fn comments_have_no_tokens() {
    let source = "{{/* lookup }} \n still */}}x{{- /* a */ -}}y{{ .Values.a }}";
    assert_eq!(tokens(source), [(2, ".Values.a".to_owned())]);
    assert_eq!(text(source), "\nxy");
}

#[test]
fn text_keeps_its_lines_and_takes_single_strings() {
    let source = "kind: {{ \"Job\" }}\n{{ if\n.a }}\nname: {{ .b }}x\n";
    assert_eq!(text(source), "kind: Job\n\n\nname: x\n");
}

#[test]
fn what_is_never_closed_reaches_to_the_end() {
    for source in ["{{", "{{ a", "{{ \"a", "{{ `a", "{{/* a", "{{-", "{{ 'a\\"] {
        assert!(!text(source).contains("{{"), "{source}");
    }
}
