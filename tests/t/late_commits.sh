#!/usr/bin/env bash
# Late commits of all kinds, readers of all kinds: the short form of `make soak`.
exec "$(dirname "${BASH_SOURCE[0]}")/../late_commits/run" --seconds 5
