#!/usr/bin/env bash
# Random concurrent histories keep the guarantees: the short form of `make soak`.
exec "$(dirname "${BASH_SOURCE[0]}")/../soak/run" --seconds 6 --appends 20000 --tap
