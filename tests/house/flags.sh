#!/bin/sh
# flags.sh WHISKER PAGES - the table of options, --help, the manual, completion and the documents name the same flags: none
# has one that the others do not have. PAGES is what the build made with `whisker help --pages`.
set -eu
whisker=$1 pages=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tab=$(printf '\t')
bad=0

# same NAME FILE FILE: complains where two sorted lists differ.
same() {
  if ! cmp -s "$2" "$3"; then
    echo "$1: < the table, > there"
    diff "$2" "$3" || true
    bad=1
  fi
}

"$whisker" help --list >"$tmp/list"
[ -s "$tmp/list" ]
cut -f 1 "$tmp/list" | sort -u >"$tmp/commands"
[ "$(wc -l <"$tmp/commands")" -gt 15 ]

while read -r command; do
  awk -F "$tab" -v c="$command" '$1 == c { print $2 }' "$tmp/list" | sort -u >"$tmp/table"
  awk -F "$tab" -v c="$command" '$1 == c && $3 != "none" { print $3 }' "$tmp/list" | sort -u >"$tmp/letters"

  # --help: a flag is what a line begins with.
  # shellcheck disable=SC2086 # "look cam" is two words
  "$whisker" $command --help >"$tmp/help"
  sed -n 's/^  \(-[a-zA-Z], \|    \)\(--[a-z0-9-]*\).*/\2/p' "$tmp/help" | sort -u >"$tmp/found"
  same "whisker $command --help" "$tmp/table" "$tmp/found"
  sed -n 's/^  \(-[a-zA-Z]\), --.*/\1/p' "$tmp/help" | sort -u >"$tmp/found"
  same "whisker $command --help, letters" "$tmp/letters" "$tmp/found"

  # The manual: the line behind .TP.
  page=$pages/man/man1/whisker-$(echo "$command" | tr ' ' -).1
  if [ ! -s "$page" ]; then
    echo "$page: not there"
    bad=1
    continue
  fi
  sed -n '/^\.TP$/{n;s/.*\\fB\\-\\-\([^ ]*\)\\fR.*/--\1/p;}' "$page" | sed 's/\\-/-/g' | sort -u >"$tmp/found"
  same "$page" "$tmp/table" "$tmp/found"

  # Completion.
  bash=$pages/bash-completion/completions/whisker
  sed -n "/^    '$command')\$/{n;s/^ *flags='\(.*\)'\$/\1/p;}" "$bash" | tr ' ' '\n' | sort -u >"$tmp/found"
  same "$bash, $command" "$tmp/table" "$tmp/found"
  zsh=$pages/zsh/site-functions/_whisker
  sed -n "/^    '$command')\$/,/^      ;;\$/p" "$zsh" | sed -n "s/^        '*\((-[a-zA-Z] --[a-z0-9-]*)'{-[a-zA-Z],\)*\(--[a-z0-9-]*\).*/\2/p" |
    sort -u >"$tmp/found"
  same "$zsh, $command" "$tmp/table" "$tmp/found"
  fish=$pages/fish/vendor_completions.d/whisker.fish
  when="__fish_seen_subcommand_from ${command%% *}"
  [ "$command" = "${command%% *}" ] || when="$when; and __fish_seen_subcommand_from ${command#* }"
  grep -F "'$when' -l " "$fish" | sed "s/.*' -l \([a-z0-9-]*\).*/--\1/" | sort -u >"$tmp/found"
  same "$fish, $command" "$tmp/table" "$tmp/found"
done <"$tmp/commands"

# A flag's old name is no other flag's name.
awk -F "$tab" '$4 != "none" { n = split($4, old, " "); for (i = 1; i <= n; i++) print $1 "\t--" old[i] }' "$tmp/list" | sort -u >"$tmp/old"
cut -f 1,2 "$tmp/list" | sort -u >"$tmp/now"
comm -12 "$tmp/old" "$tmp/now" >"$tmp/both"
if [ -s "$tmp/both" ]; then
  echo "an old name that is a flag of today as well:"
  cat "$tmp/both"
  bad=1
fi

# Documents: every flag on a line with `whisker COMMAND` belongs to that command; flags that stand alone belong to some
# command, to ./run or a script of the project.
cut -f 2 "$tmp/list" | sort -u >"$tmp/known"
cut -f 3 "$tmp/list" | sort -u >>"$tmp/known"
for document in README.md README.zh-TW.md docs/*.md; do
  grep -o '`whisker [^`]*`' "$document" | tr -d '`' >"$tmp/lines" || true
  grep -E '^ *(\$ )?(build/release/)?whisker [a-z]' "$document" | sed 's/^ *\(\$ \)*\(build\/release\/\)*//' >>"$tmp/lines" || true
  while read -r _ command way rest; do
    case $command in look | model) command="$command $way" ;; *) rest="$way $rest" ;; esac
    grep -qxF "$command" "$tmp/commands" || continue
    awk -F "$tab" -v c="$command" '$1 == c { print $2 }' "$tmp/list" >"$tmp/table"
    for word in $rest; do
      case $word in
        --no-*) flag=${word%%=*} plain=--${flag#--no-} ;;
        --[a-z]*) flag=${word%%=*} plain=$flag ;;
        *) continue ;;
      esac
      flag=$(echo "$flag" | sed 's/[^a-z0-9-].*//') plain=$(echo "$plain" | sed 's/[^a-z0-9-].*//')
      grep -qxF -e "$flag" "$tmp/table" || grep -qxF -e "$plain" "$tmp/table" || {
        echo "$document: whisker $command has no flag $flag"
        bad=1
      }
    done
  done <"$tmp/lines"
done
exit $bad
