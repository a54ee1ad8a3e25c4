#!/bin/sh
# sources.sh: prints the C sources of the executable, without the loop (built apart).
cd "$(dirname "$0")/.." && find src -name '*.c' ! -path src/vm/eval.c ! -path 'src/dynload/*' | LC_ALL=C sort
