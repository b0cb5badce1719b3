//! A transcript read back: headings, what stands below each, and what is indented below that.
//!
//! Only the form is known here, no word of it: `== ` begins an exchange, and deeper indentation belongs to the line above.

/// A transcript by its exchanges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The exchanges, and at the end the flows of ESP, in the order they are told.
    pub sections: Vec<Section>,
}

/// The line of a text on which something stands, from 1. Outlines are the same wherever their lines stand.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct Line(pub usize);

impl PartialEq for Line {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What stands below one heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading: `quick mode`.
    pub title: String,
    /// Where the heading stands.
    pub line: Line,
    /// Its messages, or the flows of ESP.
    pub blocks: Vec<Node>,
}

/// A line and what is indented below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The line without its indentation.
    pub text: String,
    /// Where it stands.
    pub line: Line,
    /// The lines one level deeper.
    pub below: Vec<Node>,
}

/// A text that is no transcript.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct NoTranscript {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Outline {
    /// Reads a transcript.
    ///
    /// # Errors
    ///
    /// When a line stands before the first heading, or is indented below a heading or below nothing.
    pub fn parse(text: &str) -> Result<Self, NoTranscript> {
        let mut sections: Vec<Section> = Vec::new();
        // The indentations of the lines that are open, outermost first.
        let mut depths: Vec<usize> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = Line(index + 1);
            let wrong = |why| NoTranscript { line: number.0, why };
            if line.trim().is_empty() {
                continue;
            }
            if let Some(title) = line.strip_prefix("== ") {
                sections.push(Section { title: title.trim().to_owned(), line: number, blocks: Vec::new() });
                depths.clear();
                continue;
            }
            let section = sections.last_mut().ok_or_else(|| wrong("it stands before the first heading"))?;
            let text = line.trim_start();
            let depth = line.len() - text.len();
            while depths.last().is_some_and(|open| *open >= depth) {
                depths.pop();
            }
            if depths.is_empty() && depth > 0 {
                return Err(wrong("it is indented below nothing"));
            }
            let node = Node { text: text.trim_end().to_owned(), line: number, below: Vec::new() };
            push_below(&mut section.blocks, depths.len(), node);
            depths.push(depth);
        }
        Ok(Self { sections })
    }

    /// The last line, from 1.
    pub fn end(&self) -> usize {
        fn last(nodes: &[Node]) -> Option<usize> {
            nodes.last().map(|node| last(&node.below).unwrap_or(node.line.0))
        }
        self.sections.last().map_or(1, |section| last(&section.blocks).unwrap_or(section.line.0))
    }
}

/// Puts a node under the last of the last, `levels` deep.
fn push_below(siblings: &mut Vec<Node>, levels: usize, node: Node) {
    match siblings.last_mut() {
        Some(parent) if levels > 0 => push_below(&mut parent.below, levels - 1, node),
        _ => siblings.push(node),
    }
}

impl Node {
    /// The first word: the payload's name, or the message's.
    pub fn kind(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// What follows the first word.
    pub fn rest(&self) -> &str {
        self.text.split_once(' ').map_or("", |(_, rest)| rest)
    }

    /// The lines below it that have none below them, each with those it stands under, outermost first.
    pub fn leaves(&self) -> Vec<Vec<&str>> {
        let below = self.below.iter().flat_map(|node| {
            if node.below.is_empty() {
                return vec![vec![&*node.text]];
            }
            let mut leaves = node.leaves();
            leaves.iter_mut().for_each(|path| path.insert(0, &node.text));
            leaves
        });
        below.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_indented_belongs_to_the_line_above() {
        let text = "== quick mode\nquick-mode-1 dut > cisco\n  SA\n    proposal 1 ESP\n      transform 1 ESP_AES\n      transform 2 ESP_DES\n  NONCE 20 octets\nquick-mode-2 cisco > dut\n\n== ESP\n";
        let outline = Outline::parse(text).unwrap();
        let titles: Vec<&str> = outline.sections.iter().map(|section| &*section.title).collect();
        assert_eq!(titles, ["quick mode", "ESP"]);
        let [first, second] = &outline.sections[0].blocks[..] else { panic!("two messages: {outline:?}") };
        assert_eq!((first.kind(), second.rest()), ("quick-mode-1", "cisco > dut"));
        assert_eq!(first.below.iter().map(Node::kind).collect::<Vec<_>>(), ["SA", "NONCE"]);
        let transforms = first.below[0].leaves();
        assert_eq!(transforms, [["proposal 1 ESP", "transform 1 ESP_AES"], ["proposal 1 ESP", "transform 2 ESP_DES"]]);
    }

    #[test]
    fn what_has_no_place_is_told() {
        assert_eq!(Outline::parse("== a\nb\n\nx\n  y\n").unwrap().sections[0].blocks.len(), 2);
        assert_eq!(Outline::parse("\nhello\n").unwrap_err().line, 2);
        assert_eq!(
            Outline::parse("== a\n  indented\n").unwrap_err().to_string(),
            "line 2: it is indented below nothing"
        );
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "([ =a-z\\n]|== ){0,80}") {
            let _ = Outline::parse(&text);
        }
    }
}
