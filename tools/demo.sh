# demo.sh - read in by ./run, whose say, fail, setup and build it uses. From nothing to a tested model in five steps.
# shellcheck shell=sh

zip_url=https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip
stamps=tuxpaint-stamps-default

photos_in() { find -L "$1" -type f ! -name '.*' ! -name '*.txt' ! -name '*.csv' | wc -l | tr -d ' '; }
classes_in() { find -L "$1" -mindepth 1 -maxdepth 1 -type d ! -name '.*' | wc -l | tr -d ' '; }
thousands() { printf '%s' "$1" | sed -e :a -e 's/^\([0-9]*[0-9]\)\([0-9]\{3\}\)/\1,\2/;ta'; }

# split SOURCE TARGET: SOURCE holds class folders; TARGET gets train/ and test/ with links, every fourth photo for the
# test. Nothing in SOURCE is touched.
split() {
  source_dir=$(cd "$1" && pwd)
  rm -rf "$2"
  for class in "$source_dir"/*/; do
    class_name=$(basename "$class")
    mkdir -p "$2/train/$class_name" "$2/test/$class_name"
    turn=0
    find -L "$class" -type f ! -name '.*' | LC_ALL=C sort | while IFS= read -r photo; do
      turn=$((turn + 1))
      case $((turn % 4)) in
        0) part="test" ;;
        *) part="train" ;;
      esac
      # The number keeps photos of one name from different sub-folders apart.
      ln -s "$photo" "$2/$part/$class_name/$turn-$(basename "$photo")"
    done
    rmdir "$2/test/$class_name" 2>/dev/null || true # fewer than four photos
  done
  rmdir "$2/test" 2>/dev/null || true
}

# The lesson's photos: 3,000 cats and dogs, published as one archive of 68 MB.
fetch_zip() {
  [ ! -d demo/cats_and_dogs_filtered/validation ] || return 0
  rm -rf demo/unpacked
  watched demo/fetch.log demo/cats_and_dogs.zip.part curl -sS --fail --location --connect-timeout 15 --retry 2 \
    --continue-at - -o demo/cats_and_dogs.zip.part "$zip_url" || return 1
  watched demo/fetch.log '' python3 -m zipfile -e demo/cats_and_dogs.zip.part demo/unpacked || {
    rm -f demo/cats_and_dogs.zip.part # not an archive: do not go on from it next time
    return 1
  }
  mv demo/unpacked/cats_and_dogs_filtered demo/cats_and_dogs_filtered
  rm -rf demo/unpacked demo/cats_and_dogs.zip.part
}

download_stamps() {
  cd demo/package || return 1
  # The machine's list of packages may be missing or old.
  apt-get download "$stamps" || {
    if [ "$(id -u)" = 0 ]; then apt-get update; else sudo -n apt-get update; fi && apt-get download "$stamps"
  }
}

# Photos that every Debian mirror has: the stamps of a drawing program for children. The package is unpacked here, not
# installed; its drawings (cartoons), toys and sounds are left out.
fetch_stamps() {
  [ ! -f demo/stamps/copyright ] || return 0
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  rm -rf demo/package demo/stamps.part
  mkdir -p demo/package demo/stamps.part
  watched demo/fetch.log '' download_stamps || return 1
  watched demo/fetch.log '' dpkg-deb -x demo/package/*.deb demo/package/x || return 1
  watched demo/fetch.log '' sort_stamps || return 1
}

sort_stamps() {
  from=demo/package/x/usr/share/tuxpaint/stamps
  while read -r class folder; do
    mkdir -p "demo/stamps.part/$class"
    find "$from/$folder" -name '*.png' ! -path '*/cartoon/*' ! -path '*/toys/*' -exec cp {} "demo/stamps.part/$class/" \;
  done <<'END'
birds animals/birds
flowers plants/flowers
fruit food/fruit
mammals animals/mammals
vegetables food/vegetables
END
  cp "demo/package/x/usr/share/doc/$stamps/copyright" demo/stamps.part/copyright
  rm -rf demo/stamps demo/package
  mv demo/stamps.part demo/stamps
}

# Sets name, train (what to learn from) and test (what to be tested on; empty: the photos held out while learning).
choose_photos() {
  shared=${WHISKER_TEST_DATA:-../shared/data}/photos/cats-dogs
  if [ -n "${1:-}" ]; then
    [ -e "$1" ] || fail "$1: no such folder. Give a folder that holds one folder of photos a class."
    train=$1
    if [ -d "$1" ]; then
      name=$(basename "$(cd "$1" && pwd)")
    else
      name=$(basename "$1")
      name=${name%%.*}
    fi
    why="yours"
  elif [ -d "$shared/train" ]; then
    train=$shared
    name=cats-dogs
    why="cats and dogs from $shared"
  elif fetch_zip; then
    train=demo/cats_and_dogs_filtered
    name=cats-dogs
    why="the lesson's cats and dogs, from $zip_url"
  else
    zip_why=$(tail -n 1 demo/fetch.log 2>/dev/null || true)
    say "      The cats and dogs cannot be had from $zip_url"
    say "      (${zip_why:-no reason given}). Taking the photo stamps of Debian's package $stamps"
    say "      (161 MB, unpacked in demo/, not installed) instead."
    fetch_stamps || {
      tail -n 2 demo/fetch.log >&2
      fail "no photos to learn from: neither $zip_url nor the package $stamps can be had. Give a folder of your own: ./run demo FOLDER (one folder of photos a class)"
    }
    train=demo/stamps
    name=stamps
    why="cut-out photos from Debian's package $stamps (licences: demo/stamps/copyright)"
  fi
  test=
  if [ -d "$train" ] && [ ! -d "$train/train" ]; then
    # One folder a class: keep a part for a test that the network never sees.
    [ "$(classes_in "$train")" -lt 2 ] || {
      split "$train" "demo/split/$name"
      train=demo/split/$name
    }
  fi
  for part in test validation valid val; do
    if [ -z "$test" ] && [ -d "$train/$part" ]; then
      test=$train/$part
    fi
  done
}

# The instruction sets that whisker has kernels for, as it will choose among them.
processor() {
  if ! grep -qs avx2 /proc/cpuinfo; then
    echo "plain C"
  elif grep -s avx512f /proc/cpuinfo | grep avx512bw | grep avx512dq | grep -q avx512vl; then
    echo AVX-512
  else
    echo AVX2
  fi
}

run_demo() {
  backbone=efficientnet_lite0
  mkdir -p demo
  system=$(uname -s)
  # shellcheck disable=SC1091
  [ ! -r /etc/os-release ] || system=$(. /etc/os-release && echo "${NAME% GNU/Linux} ${VERSION_ID:-}")
  version=$(sed -n 's/^project(whisker VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
  say "whisker $version · $system · $(cores) cores, $(processor)"
  setup

  start=$(date +%s)
  say "[1/5] building"
  build release whisker whisker_shared whisker_static whisker_pages # and so all that cmake --install needs
  say "      done, $(($(date +%s) - start)) s"
  whisker=build/release/whisker

  say "[2/5] a pretrained network"
  $whisker pull "$backbone"

  say "[3/5] photos"
  choose_photos "${1:-}"
  if [ -d "$train" ]; then
    if [ -d "$train/train" ]; then
      say "$name: $(classes_in "$train/train") classes, $(thousands "$(photos_in "$train/train")") photos to learn from${test:+, $(thousands "$(photos_in "$test")") to be tested on}"
    else
      say "$name: $(thousands "$(photos_in "$train")") photos"
    fi
  fi
  say "($why)"

  say "[4/5] learning"
  model=demo/$name.whisker
  $whisker train "$train" -b "$backbone" -o "$model"

  if [ -n "$test" ]; then
    say "[5/5] testing on $(thousands "$(photos_in "$test")") photos it has never seen"
    $whisker eval "$model" "$test"
    $whisker eval "$model" "$test" --json -q >demo/eval.json
    python3 tools/demo_pick.py demo/eval.json "$test" >demo/shown.txt
    say
    set --
    while IFS= read -r photo; do
      set -- "$@" "$photo"
    done <demo/shown.txt
    $whisker predict "$model" "$@" -k 2
    mistakes=$(python3 -c 'import json, sys; print(len(json.load(sys.stdin)["mistakes"]))' <demo/eval.json)
    case $mistakes in
      0) ;;
      1) say "The last one is wrong: it is the only mistake." ;;
      *) say "The last one is wrong: the surest of the $mistakes mistakes." ;;
    esac
  else
    say "[5/5] no photos were set apart for a test: how good it is was measured above, on photos held back while learning"
  fi

  say
  say "Your model: $model ($((($(wc -c <"$model") + 500000) / 1000000)) MB: network, labels and preprocessing in one file)"
  say "Next:"
  say "  $whisker predict $model YOUR_PHOTO.jpg"
  say "  $whisker train YOUR_FOLDER -o mine.whisker      one sub-folder a class, 10 photos each is a start"
}
