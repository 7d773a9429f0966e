//! Compares the search with one that tries every needle at every place.

use std::ops::ControlFlow;

use crate::needles::NeedleSet;
use crate::spelling::Spelling;

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (self.0 >> 33) as usize % bound
    }

    fn letters(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| b"abAB0_\n "[self.below(8)]).collect()
    }
}

fn written(values: &[Vec<u8>]) -> Vec<(Vec<u8>, usize)> {
    let mut all: Vec<(Vec<u8>, usize)> = Vec::new();
    for (n, value) in values.iter().enumerate() {
        for spelling in Spelling::ALL {
            let needle = (spelling.of(value).to_vec(), n);
            if !all.contains(&needle) {
                all.push(needle);
            }
        }
    }
    all
}

fn at_every_place(needles: &[(Vec<u8>, usize)], text: &[u8]) -> Vec<(usize, Vec<u8>, usize)> {
    let stands = |needle: &[u8], at: usize| {
        text.get(at..at + needle.len()).is_some_and(|found| found.eq_ignore_ascii_case(needle))
    };
    let places = |(needle, value): &(Vec<u8>, usize)| {
        let found: Vec<_> = (0..text.len()).filter(|at| stands(needle, *at)).collect();
        found.into_iter().map(|at| (at, needle.clone(), *value)).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = needles.iter().flat_map(places).collect();
    all.sort();
    all
}

/// Short and long ones, alone and together, made of few letters so that they overlap and resemble
/// each other, and starting anywhere.
#[test]
fn what_is_found_is_what_stands_there() {
    let mut random = Random(7);
    for round in 0..300 {
        let values: Vec<Vec<u8>> = (0..1 + random.below(4))
            .map(|_| {
                let length = [8, 11, 14, 15, 19, 22, 23, 30, 31, 46, 70][random.below(11)];
                random.letters(length)
            })
            .collect();
        let needles = written(&values);
        let mut text = Vec::new();
        for _ in 0..6 {
            let around = random.below(40);
            text.extend(random.letters(around));
            let (needle, _) = &needles[random.below(needles.len())];
            let some = needle.len() - random.below(3).saturating_sub(1);
            let upper = random.below(2) == 0;
            let letters = needle[..some].iter().map(|b| if upper { b.to_ascii_uppercase() } else { *b });
            text.extend(letters);
        }
        let set = NeedleSet::new(values.iter().map(Vec::as_slice));
        let mut found = Vec::new();
        let _: ControlFlow<()> = set.each(&text, &mut |at, which| {
            found.push((at, set.needle(which).bytes.to_vec(), which.value as usize));
            ControlFlow::Continue(())
        });
        found.sort();
        assert_eq!(found, at_every_place(&needles, &text), "round {round}");
    }
}
