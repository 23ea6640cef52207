#!/bin/sh
# Compiles under .ferry/ when the sources are newer, then runs.
set -eu
cd "$(dirname "$0")"
out=${EXAMPLE_OUT:-../../.ferry/java-openai}
mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ ! -f "$out/built" ] || [ -n "$(find pom.xml src -newer "$out/built")" ]; then
  # Maven says something even when it is told to be quiet.
  said=$(mvn -B -q -ntp "-Dexample.out=$out" compile dependency:copy-dependencies "-DoutputDirectory=$out/lib" 2>&1) || {
    echo "$said" >&2
    exit 1
  }
  touch "$out/built"
fi
exec java -Dfile.encoding=UTF-8 -cp "$out/classes:$out/lib/*" com.example.ferry.Chat "$@"
