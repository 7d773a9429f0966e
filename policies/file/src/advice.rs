//! What a refusal says besides its reason.

use policies::{Advice, Refused};

use crate::near::{Near, nearest};
use crate::suggest::{Named, lift, lift_address, lift_ask, lift_condition, lift_deny, lift_hours};

/// The adviser of every policy read by this crate.
pub(crate) fn advise(refused: &Refused<'_>) -> Advice {
    let lift = match refused {
        Refused::NotCovered(allows_of, request, named) => {
            let near = Near::of(request, named);
            let lift = lift(request, &Named { all: named, near: near.as_ref() });
            return Advice { near: nearest(allows_of, request, named, near.as_ref()), lift };
        }
        Refused::OutsideHours(closed) => lift_hours(*closed),
        Refused::Denied(deny) => lift_deny(deny),
        Refused::Asked(ask) => lift_ask(ask),
        Refused::Body(facts, rule) => lift_condition(facts, rule),
        Refused::Address(resolved) => lift_address(resolved),
    };
    Advice { near: None, lift }
}
