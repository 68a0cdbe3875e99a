#!/bin/sh
# install.sh CMAKE BUILD CC sanitizers=LIST - installs into a fresh folder and builds a small program against what is there,
# through pkg-config alone: once with the shared library, once with the static one.
set -eu
cmake=$1 build=$2 cc=$3 sanitizers=${4#sanitizers=}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$cmake" --install "$build" --prefix "$tmp/usr" >"$tmp/log" || {
  cat "$tmp/log"
  exit 1
}
PKG_CONFIG_PATH=$(dirname "$(find "$tmp/usr" -name whisker.pc)")
export PKG_CONFIG_PATH
libraries=$(pkg-config --variable=libdir whisker)
flags="-std=c17 -Wall -Wextra -Werror"
[ -z "$sanitizers" ] || flags="$flags -fsanitize=$sanitizers"

cat >"$tmp/program.c" <<'END'
#include <stdio.h>
#include <whisker/whisker.h>

/* Something of every room, so that a static link needs all that stands below them. */
static const struct {
  wk_status (*load)(wk_image *, const char *, const wk_decode_options *, wk_error *);
  wk_status (*fit)(wk_head **, wk_probe_report *, const float *, const int *, size_t, int, int, const wk_probe_options *,
                   const wk_context *, wk_error *);
  wk_status (*predict)(float **, wk_features **, const wk_model *, const char *const *, size_t,
                       const wk_features_options *, const wk_context *, wk_error *);
  wk_status (*pull)(char **, char *, const wk_arch *, const wk_pull_options *, const wk_context *, wk_error *);
} rooms = {wk_image_load, wk_probe_fit, wk_model_predict, wk_weights_pull};

int main(void) {
  wk_rng rng;
  wk_rng_init(&rng, 42, 0);
  printf("whisker %s, %u\n", wk_version(), wk_rng_u32(&rng));
  return !rooms.load || !rooms.fit || !rooms.predict || !rooms.pull;
}
END

# shellcheck disable=SC2046,SC2086 # lists of flags
"$cc" $flags "$tmp/program.c" -o "$tmp/shared" $(pkg-config --cflags --libs whisker)
with_shared=$(LD_LIBRARY_PATH=$libraries "$tmp/shared")

# A linker takes the shared library where it finds both.
rm "$libraries"/libwhisker.so*
# shellcheck disable=SC2046,SC2086
"$cc" $flags "$tmp/program.c" -o "$tmp/static" $(pkg-config --static --cflags --libs whisker)
with_static=$("$tmp/static")

echo "shared: $with_shared"
echo "static: $with_static"
[ "$with_shared" = "$with_static" ]
[ "$(pkg-config --modversion whisker)" = "$("$tmp/static" | sed 's/whisker \(.*\),.*/\1/')" ]
"$tmp/usr/bin/whisker" --help >/dev/null
