#!/bin/sh
# sources.sh: prints the C sources of the engine, without the loop and main (built apart).
cd "$(dirname "$0")/.." && find src -name '*.c' ! -path src/vm/eval.c ! -path src/main/main.c ! -path 'src/dynload/*' | LC_ALL=C sort
