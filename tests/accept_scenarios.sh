#!/bin/sh
# Writes what each scenario decides now into its expected.txt. Read the difference before you commit
# it: an expectation that nobody read proves nothing.
#   tests/accept_scenarios.sh BUILD-DIRECTORY [SCENARIO …]
set -eu
build=$(realpath "$1"); shift
cd "$(dirname "$0")/scenarios"
[ $# -gt 0 ] || set -- */
for scenario; do
    "$build/tools/devmux" simulate --units "$scenario/units.d" "$scenario/trace.txt" >"$scenario/expected.txt"
done
git diff --stat -- .
