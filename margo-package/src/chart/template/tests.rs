use super::{Template, TokenKind};

fn tokens(source: &str) -> Vec<(usize, String)> {
    let template = Template::parse(source);
    let tokens = template.actions.into_iter().flatten();
    tokens
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

#[test]
fn actions_are_split_with_their_lines() {
    let source = "a\n{{- if (eq .Values.mode \"x\\\"}}\") -}}\nb {{ `raw\n}}` | quote\n}}\n{{ end }}";
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
    assert_eq!(Template::parse(source).text, "\nxy");
}

#[test]
fn text_keeps_its_lines_and_takes_single_strings() {
    let source = "kind: {{ \"Job\" }}\n{{ if\n.a }}\nname: {{ .b }}x\n";
    assert_eq!(Template::parse(source).text, "kind: Job\n\n\nname: x\n");
}

#[test]
fn what_is_never_closed_reaches_to_the_end() {
    for source in ["{{", "{{ a", "{{ \"a", "{{ `a", "{{/* a", "{{-", "{{ 'a\\"] {
        assert_eq!(Template::parse(source).text, "", "{source}");
    }
}
