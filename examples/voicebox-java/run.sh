#!/bin/sh
# Compiles with the JDK's own tools and runs; arguments go to the program: chat, stream, speak or interrupt, and a question.
set -eu
cd "$(dirname "$0")"
out=${VOICEBOX_OUT:-../../.ferry/voicebox-java}
mkdir -p "$out"
javac -encoding UTF-8 --release 17 -Xlint:all -Werror -d "$out" src/com/example/voicebox/app/device/llm/*.java
exec java -Dfile.encoding=UTF-8 -cp "$out" com.example.voicebox.app.device.llm.VoiceBox "$@"
