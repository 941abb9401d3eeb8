//! Text on a terminal.

/// The text after the head, broken at words to fit a terminal; further lines are indented like the first.
pub(super) fn indented(head: &str, text: &str) -> String {
    let indent = head.chars().count();
    let room = WIDTH.saturating_sub(indent);
    let mut lines = text.lines().flat_map(|line| broken(line, room));
    let mut laid_out = format!("{head}{}", lines.next().unwrap_or_default());
    for line in lines {
        laid_out.push('\n');
        if !line.is_empty() {
            laid_out.push_str(&" ".repeat(indent));
            laid_out.push_str(&line);
        }
    }
    laid_out
}

/// The line in pieces of this many characters at most, but for longer words.
fn broken(line: &str, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in line.split_whitespace() {
        let is_full = piece.chars().count() + 1 + word.chars().count() > room;
        if is_full && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
        } else if !piece.is_empty() {
            piece.push(' ');
        }
        piece.push_str(word);
    }
    pieces.push(piece);
    pieces
}

const WIDTH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_at_words_and_indented() {
        let text = indented("error: ", &"word ".repeat(40));
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.starts_with("       word"))
        );
        assert_eq!(text.matches("word").count(), 40);
    }

    #[test]
    fn lines_stay_lines_and_long_words_stay_whole() {
        let long = "x".repeat(100);
        let text = indented("- ", &format!("first\n{long}\n\nlast"));
        assert_eq!(text, format!("- first\n  {long}\n\n  last"));
    }
}
