#!/bin/sh
# Takes pictures of each mail's HTML, as the snapshots have it, on a phone, in a wide window and in the dark, for a
# person to look at. Needs Chromium and Python. tests/mail_pictures.sh FOLDER; nothing of it is committed.
set -eu
folder=${1:?name a folder for the pictures}
mkdir -p "$folder"
here=$(cd "$(dirname "$0")" && pwd)
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

shoot() { # WIDTH PAGE PICTURE [FLAG]
    # A phone: no window of Chromium is narrower than 500 pixels, so the page stands in a frame of its width.
    frame="$profile/frame.html"
    printf '<body style="margin:0;background:%s"><iframe src="file://%s" style="border:0;width:%spx;height:2600px"></iframe>' \
        "$([ -n "${4:-}" ] && echo '#14181f' || echo '#fff')" "$2" "$1" > "$frame"
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --hide-scrollbars --allow-file-access-from-files \
        --user-data-dir="$profile/chromium" --window-size="$1,1700" --screenshot="$3" ${4:-} "file://$frame" \
        > /dev/null 2>&1
}

for snapshot in "$here"/it/snapshots/it__notify__html_*.snap "$here"/it/snapshots/it__notify__several_html.snap; do
    name=$(basename "$snapshot" .snap | sed 's/^it__notify__//')
    page="$profile/$name.html"
    # What stands between the two lines of dashes is the snapshot's own.
    awk 'dashes >= 2 { print } /^---$/ { dashes++ }' "$snapshot" > "$page"
    shoot 390 "$page" "$folder/$name-phone.png"
    shoot 800 "$page" "$folder/$name-wide.png"
    shoot 390 "$page" "$folder/$name-dark.png" --blink-settings=preferredColorScheme=0
done
