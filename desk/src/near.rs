//! The word that was probably meant.

/// With less similarity, two words only share some letters (Jaro-Winkler, from 0 to 1).
const LIKE: f64 = 0.8;

/// The known word that is closest to the given one, if any is close.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let scored = known.into_iter().map(|known| (strsim::jaro_winkler(&lower, known), known));
    scored.filter(|(score, _)| *score > LIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_meant_or_none() {
        let known = ["sandboxes", "idle", "longest", "memory", "queue", "agent"];
        for (word, meant) in [
            ("memroy", Some("memory")),
            ("Memory", Some("memory")),
            ("quue", Some("queue")),
            ("agnet", Some("agent")),
            ("sandbox", Some("sandboxes")),
            ("frequency", None),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, known), meant, "{word}");
        }
    }
}
