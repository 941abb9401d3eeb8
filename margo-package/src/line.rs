//! What others wrote, in messages of ours.

/// What a peer or a file has a say in, without anything that would begin a line or that a terminal would obey.
pub(crate) fn in_a_line(text: &str, most_characters: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(most_characters)
        .collect()
}
