#!/bin/sh
# Whether a skill is written as those that ship are: check.sh NAME
set -eu
cd "$(dirname "$0")/../../.."
name=${1:?name the skill: check.sh NAME}
wrong() { echo "skills/$name: $1" >&2; exit 1; }
[ -e "skills/$name/SKILL.md" ] || wrong "there is no SKILL.md"
[ -e "tests/skills/$name.toml" ] || wrong "tests/skills/$name.toml is missing: what its service answers, and what it prints then"
grep -q "^| \`$name\` |" docs/skills.md || wrong "docs/skills.md has no row for it"
for script in "skills/$name/scripts/"*; do
    case $script in
        *.py) python3 -c 'import ast, sys; ast.parse(open(sys.argv[1], encoding="utf-8").read(), feature_version=(3, 11))' "$script" ;;
        *.sh) sh -n "$script" ;;
        *) wrong "$script is neither Python nor sh" ;;
    esac
done
cargo run --quiet --locked -- --home "$(mktemp -d)" skill check "./skills/$name"
cargo test --locked -p doorward --lib -- skills::shipped
cargo test --locked -p doorward --test end_to_end every_skill_that_ships_works_in_a_sandbox
