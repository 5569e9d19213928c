#!/bin/sh
# Brings the pinned front-end packages here and builds ../icons.svg from the names in icons.txt.
#   ./refresh.sh            fetch, copy, build, write CHECKSUMS
#   sha256sum -c CHECKSUMS  prove that nothing was changed since
set -eu
cd "$(dirname "$0")"

TABLER=1.6.1
HTMX=2.0.11
TOM_SELECT=2.6.2
ICONS=3.51.0
ECHARTS=6.1.0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

unpack() {  # package version -> $work/name/package
    name=$(basename "$1")
    mkdir -p "$work/$name"
    npm pack --silent --pack-destination "$work/$name" "$1@$2" >/dev/null
    tar xzf "$work/$name"/*.tgz -C "$work/$name"
}

unpack @tabler/core "$TABLER"
unpack htmx.org "$HTMX"
unpack tom-select "$TOM_SELECT"
unpack @tabler/icons "$ICONS"
unpack echarts "$ECHARTS"

mkdir -p tabler htmx tom-select echarts
cp "$work/core/package/dist/css/tabler.min.css" "$work/core/package/dist/js/tabler.min.js" tabler/
cp "$work/htmx.org/package/dist/htmx.min.js" "$work/htmx.org/package/LICENSE" htmx/
cp "$work/tom-select/package/LICENSE" tom-select/
cp "$work/tom-select/package/dist/js/tom-select.complete.min.js" tom-select/
cp "$work/tom-select/package/dist/css/tom-select.bootstrap5.min.css" tom-select/
cp "$work/echarts/package/LICENSE" "$work/echarts/package/NOTICE" "$work/echarts/package/dist/echarts.common.min.js" echarts/
cp "$work/icons/package/LICENSE" ../icons.LICENSE
# Tabler's package carries no licence file; it is the same MIT text by the same holder as its icons, other years.
sed 's/^Copyright.*/Copyright (c) 2018-2026 The Tabler Authors, codecalm.net Paweł Kuna/' ../icons.LICENSE > tabler/LICENSE

{
    echo "<!-- Tabler Icons $ICONS, MIT licence (icons.LICENSE). Built by vendor/refresh.sh from vendor/icons.txt. -->"
    echo '<svg xmlns="http://www.w3.org/2000/svg">'
    while read -r icon; do
        echo "<symbol id=\"icon-$icon\" viewBox=\"0 0 24 24\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.75\" stroke-linecap=\"round\" stroke-linejoin=\"round\">"
        grep '^  <[a-z]' "$work/icons/package/icons/outline/$icon.svg" | grep -v 'M0 0h24v24H0z'
        echo '</symbol>'
    done < icons.txt
    echo '</svg>'
} > ../icons.svg

find . ../icons.svg ../icons.LICENSE -type f ! -name CHECKSUMS ! -name refresh.sh | LC_ALL=C sort | xargs sha256sum > CHECKSUMS
