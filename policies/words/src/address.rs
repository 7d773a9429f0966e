//! Which addresses are not on the public internet.
//!
//! The table follows the IANA special-purpose address registries (RFC 6890, as of 2025) and adds
//! the metadata services of clouds. Addresses that those registries call "globally reachable"
//! inside a special block are refused all the same: no server that an assistant wants lives there.
//! IPv6 outside of `2000::/3` is refused as a whole, because nothing else is global unicast (RFC
//! 4291 §2.4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What kind of special address this is (in words, for a refusal), or `None` for a public one.
pub fn special(ip: IpAddr) -> Option<&'static str> {
    let ip = ip.to_canonical();
    special_net(&IpNet::from(ip)).or_else(|| is_isatap(ip).then_some(EMBEDDED))
}

/// RFC 5214 §6.1: in any network, an interface identifier can be made from an IPv4 address.
fn is_isatap(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if matches!(ip.segments(), [_, _, _, _, 0 | 0x0200, 0x5efe, ..]))
}

/// The same for a network: special only if every address in it is.
pub fn special_net(net: &IpNet) -> Option<&'static str> {
    match net {
        IpNet::V4(net) => SPECIAL_V4.iter().find(|(block, _)| block.contains(net)).map(|(_, words)| *words),
        IpNet::V6(net) => special_v6(net),
    }
}

fn special_v6(net: &Ipv6Net) -> Option<&'static str> {
    let listed = SPECIAL_V6.iter().find(|(block, _)| block.contains(net)).map(|(_, words)| *words);
    let global = GLOBAL_UNICAST_V6.contains(net) || net.contains(&GLOBAL_UNICAST_V6);
    listed.or((!global).then_some("an address outside of the public internet"))
}

const GLOBAL_UNICAST_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const METADATA: &str = "an address of a cloud's metadata service";
const PRIVATE: &str = "an address of a private network";
const RESERVED: &str = "a reserved address";
const EXAMPLE: &str = "an address reserved for examples";
const EMBEDDED: &str = "an IPv6 address that hides an IPv4 address";

/// Narrow blocks come before the wide ones that contain them, so that the most precise words are
/// used.
const SPECIAL_V4: &[(Ipv4Net, &str)] = &[
    (v4(169, 254, 169, 254, 32), METADATA), // AWS, Google, Azure and others
    (v4(168, 63, 129, 16, 32), METADATA),   // Azure's WireServer
    (v4(100, 100, 100, 200, 32), METADATA), // Alibaba
    (v4(192, 0, 0, 192, 32), METADATA),     // Oracle
    (v4(0, 0, 0, 0, 8), "an address that means \"this host\""), // RFC 791
    (v4(10, 0, 0, 0, 8), PRIVATE),          // RFC 1918
    (v4(100, 64, 0, 0, 10), "an address shared behind a carrier's NAT"), // RFC 6598
    (v4(127, 0, 0, 0, 8), "a loopback address"), // RFC 1122
    (v4(169, 254, 0, 0, 16), "a link-local address"), // RFC 3927
    (v4(172, 16, 0, 0, 12), PRIVATE),       // RFC 1918
    (v4(192, 0, 0, 0, 24), RESERVED),       // RFC 6890
    (v4(192, 0, 2, 0, 24), EXAMPLE),        // RFC 5737
    (v4(192, 88, 99, 0, 24), "an address of a 6to4 relay"), // RFC 7526
    (v4(192, 168, 0, 0, 16), PRIVATE),      // RFC 1918
    (v4(198, 18, 0, 0, 15), "an address of a benchmark network"), // RFC 2544
    (v4(198, 51, 100, 0, 24), EXAMPLE),     // RFC 5737
    (v4(203, 0, 113, 0, 24), EXAMPLE),      // RFC 5737
    (v4(224, 0, 0, 0, 4), "a multicast address"), // RFC 5771
    (v4(255, 255, 255, 255, 32), "the broadcast address"), // RFC 8190
    (v4(240, 0, 0, 0, 4), RESERVED),        // RFC 1112
];

const SPECIAL_V6: &[(Ipv6Net, &str)] = &[
    (v6([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254], 128), METADATA), // AWS
    (v6([0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254], 128), METADATA), // Google
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "the unspecified address"), // RFC 4291
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),   // RFC 4291
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), EMBEDDED),                // IPv4-compatible, RFC 4291 §2.5.5.1
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), EMBEDDED),           // IPv4-mapped nets; addresses are read as IPv4
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), EMBEDDED),           // IPv4-translated, RFC 2765
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), EMBEDDED),        // NAT64, RFC 6052
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), EMBEDDED),        // local NAT64, RFC 8215
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "an address that discards"), // RFC 6666
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), EMBEDDED),           // Teredo, RFC 4380
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), RESERVED),           // RFC 2928
    (v6([0x2001, 0x0db8, 0, 0, 0, 0, 0, 0], 32), EXAMPLE),       // RFC 3849
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), EMBEDDED),           // 6to4, RFC 3056
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), EXAMPLE),            // RFC 9637
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "an address of segment routing"), // RFC 9602
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), PRIVATE),             // RFC 4193
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local address"), // RFC 4291
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), PRIVATE),            // site-local, RFC 3879
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"), // RFC 4291
];

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(s: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(text: &str) -> Option<&'static str> {
        special(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
        ] {
            assert_eq!(words(text), None, "{text}");
        }
    }

    /// Attacks B02 and B05: addresses that a name may be made to resolve to.
    #[test]
    fn special_addresses_are_named() {
        for (text, want) in [
            ("2400::5efe:7f00:1", "hides an IPv4"),
            ("2606:4700::200:5efe:a00:1", "hides an IPv4"),
            ("0.0.0.0", "this host"),
            ("0.1.2.3", "this host"),
            ("10.0.0.1", "private"),
            ("100.64.0.1", "carrier"),
            ("100.127.255.255", "carrier"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("169.254.0.1", "link-local"),
            ("169.254.169.254", "metadata"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.8", "reserved"),
            ("192.0.0.192", "metadata"),
            ("192.0.2.1", "examples"),
            ("192.88.99.1", "6to4"),
            ("192.168.1.1", "private"),
            ("198.18.0.1", "benchmark"),
            ("198.19.255.255", "benchmark"),
            ("198.51.100.1", "examples"),
            ("203.0.113.1", "examples"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.250", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("168.63.129.16", "metadata"),
            ("100.100.100.200", "metadata"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::127.0.0.1", "hides"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "metadata"),
            ("::ffff:a9fe:a9fe", "metadata"),
            ("::ffff:7f00:1", "loopback"),
            ("::ffff:0:127.0.0.1", "hides"),
            ("64:ff9b::1.1.1.1", "hides"),
            ("64:ff9b::7f00:1", "hides"),
            ("64:ff9b:1::1", "hides"),
            ("100::1", "discards"),
            ("100:0:0:1::1", "outside"),
            ("2001::1", "hides"),
            ("2001:10::1", "reserved"),
            ("2001:20::1", "reserved"),
            ("2001:1ff:ffff::1", "reserved"),
            ("2001:db8::1", "examples"),
            ("2002:7f00:1::", "hides"),
            ("3fff::1", "examples"),
            ("4000::1", "outside"),
            ("5f00::1", "segment"),
            ("fc00::1", "private"),
            ("fd00:ec2::254", "metadata"),
            ("fd20:ce::254", "metadata"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "private"),
            ("ff02::1", "multicast"),
        ] {
            assert!(words(text).is_some_and(|got| got.contains(want)), "{text}: {:?}", words(text));
        }
    }

    #[test]
    fn a_network_is_special_only_as_a_whole() {
        let net = |text: &str| special_net(&text.parse().unwrap());
        assert_eq!(net("192.168.1.0/24"), Some(PRIVATE));
        assert_eq!(net("192.168.0.0/15"), None);
        assert_eq!(net("0.0.0.0/0"), None);
        assert_eq!(net("::/0"), None);
        assert_eq!(net("2606:4700::/32"), None);
        assert_eq!(net("fd00::/8"), Some(PRIVATE));
    }
}
