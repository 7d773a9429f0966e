//! Every file of every skill that ships. UPDATE=1 cargo test -p doorward --lib -- skills::shipped writes it.

pub(super) const SHIPPED: &[(&str, &[(&str, &str)])] = &[
    ("calendar", &[
        ("SKILL.md", include_str!("../../../skills/calendar/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/calendar/policy.toml")),
        ("scripts/calendar_read.py", include_str!("../../../skills/calendar/scripts/calendar_read.py")),
        ("settings.toml", include_str!("../../../skills/calendar/settings.toml")),
    ]),
    ("currency", &[
        ("SKILL.md", include_str!("../../../skills/currency/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/currency/policy.toml")),
        ("scripts/convert.py", include_str!("../../../skills/currency/scripts/convert.py")),
    ]),
    ("documents", &[
        ("SKILL.md", include_str!("../../../skills/documents/SKILL.md")),
        ("scripts/read.py", include_str!("../../../skills/documents/scripts/read.py")),
    ]),
    ("expenses", &[
        ("SKILL.md", include_str!("../../../skills/expenses/SKILL.md")),
        ("scripts/expenses.py", include_str!("../../../skills/expenses/scripts/expenses.py")),
    ]),
    ("feeds", &[
        ("SKILL.md", include_str!("../../../skills/feeds/SKILL.md")),
        ("scripts/feeds.py", include_str!("../../../skills/feeds/scripts/feeds.py")),
    ]),
    ("github-notes", &[
        ("SKILL.md", include_str!("../../../skills/github-notes/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/github-notes/policy.toml")),
        ("scripts/notes.py", include_str!("../../../skills/github-notes/scripts/notes.py")),
        ("settings.toml", include_str!("../../../skills/github-notes/settings.toml")),
    ]),
    ("holidays", &[
        ("SKILL.md", include_str!("../../../skills/holidays/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/holidays/policy.toml")),
        ("scripts/holidays.py", include_str!("../../../skills/holidays/scripts/holidays.py")),
    ]),
    ("home-assistant", &[
        ("SKILL.md", include_str!("../../../skills/home-assistant/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/home-assistant/policy.toml")),
        ("scripts/home.py", include_str!("../../../skills/home-assistant/scripts/home.py")),
        ("settings.toml", include_str!("../../../skills/home-assistant/settings.toml")),
    ]),
    ("mail", &[
        ("SKILL.md", include_str!("../../../skills/mail/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/mail/policy.toml")),
        ("scripts/mail.py", include_str!("../../../skills/mail/scripts/mail.py")),
        ("settings.toml", include_str!("../../../skills/mail/settings.toml")),
    ]),
    ("parcels", &[
        ("SKILL.md", include_str!("../../../skills/parcels/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/parcels/policy.toml")),
        ("scripts/track.py", include_str!("../../../skills/parcels/scripts/track.py")),
    ]),
    ("reminders", &[
        ("SKILL.md", include_str!("../../../skills/reminders/SKILL.md")),
        ("scripts/when.py", include_str!("../../../skills/reminders/scripts/when.py")),
    ]),
    ("shopping", &[
        ("SKILL.md", include_str!("../../../skills/shopping/SKILL.md")),
        ("scripts/shopping.py", include_str!("../../../skills/shopping/scripts/shopping.py")),
    ]),
    ("todo", &[
        ("SKILL.md", include_str!("../../../skills/todo/SKILL.md")),
        ("scripts/todo.py", include_str!("../../../skills/todo/scripts/todo.py")),
    ]),
    ("transport", &[
        ("SKILL.md", include_str!("../../../skills/transport/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/transport/policy.toml")),
        ("scripts/transport.py", include_str!("../../../skills/transport/scripts/transport.py")),
    ]),
    ("weather", &[
        ("SKILL.md", include_str!("../../../skills/weather/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/weather/policy.toml")),
        ("scripts/weather.py", include_str!("../../../skills/weather/scripts/weather.py")),
    ]),
    ("web-page", &[
        ("SKILL.md", include_str!("../../../skills/web-page/SKILL.md")),
        ("scripts/read.py", include_str!("../../../skills/web-page/scripts/read.py")),
    ]),
    ("web-search", &[
        ("SKILL.md", include_str!("../../../skills/web-search/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/web-search/policy.toml")),
        ("scripts/search.py", include_str!("../../../skills/web-search/scripts/search.py")),
        ("settings.toml", include_str!("../../../skills/web-search/settings.toml")),
    ]),
    ("wikipedia", &[
        ("SKILL.md", include_str!("../../../skills/wikipedia/SKILL.md")),
        ("policy.toml", include_str!("../../../skills/wikipedia/policy.toml")),
        ("scripts/wikipedia.py", include_str!("../../../skills/wikipedia/scripts/wikipedia.py")),
    ]),
];
