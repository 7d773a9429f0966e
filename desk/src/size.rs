//! Sizes: `20 MB`, `2 GiB`.

/// What to write for a size; the help text of a problem.
pub const FORM: &str = "write a whole number and B, kB, MB, GB, KiB, MiB or GiB, like \"20 MB\"";

/// From large to small, so that a size is written with the largest unit that fits.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// A size in bytes. `20 MB` is 20 million, `1 MiB` is 1024 times 1024; case is ignored, and a
/// number without a unit is refused.
pub fn read(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The size as a file would have it, exactly.
pub fn in_words(bytes: u64) -> String {
    let fits = UNITS.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    fits.map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{} {unit}", bytes / factor))
}

/// The size for people: `1.2 kB`.
pub fn about(bytes: u64) -> String {
    let scaled = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit / (unit / 10));
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", scaled(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", scaled(1_000_000)),
        _ => format!("{} GB", scaled(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_spelling_and_written_in_one() {
        for (text, bytes, words) in [
            ("20 MB", 20_000_000, "20 MB"),
            ("20MB", 20_000_000, "20 MB"),
            ("20 mb", 20_000_000, "20 MB"),
            ("20 MB ", 20_000_000, "20 MB"),
            ("20\tMB", 20_000_000, "20 MB"),
            ("1 MiB", 1_048_576, "1 MiB"),
            ("1 mib", 1_048_576, "1 MiB"),
            ("0 B", 0, "0"),
            ("1001 B", 1001, "1001 B"),
            ("7 kB", 7000, "7 kB"),
            ("7 KB", 7000, "7 kB"),
            ("2 GB", 2_000_000_000, "2 GB"),
            ("1000 MB", 1_000_000_000, "1 GB"),
            ("3 KiB", 3072, "3 KiB"),
            ("1 GiB", 1_073_741_824, "1 GiB"),
        ] {
            assert_eq!(read(text), Some(bytes), "{text}");
            assert_eq!(in_words(bytes), words);
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in [
            "",
            "20",
            "MB",
            " 20 MB",
            "-1 MB",
            "1.5 MB",
            "20 M",
            "20 MBit",
            "99999999999999999999 B",
            "99999999999999999 GB",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
