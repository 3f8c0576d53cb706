"""A stand-in of the tool `service` for machines that are folders: it writes files, and a daemon runs if its mark is there.

`tests/images/test_images_service.py` tests the tool itself with real processes.
"""

SERVICE = r"""
mark=$CROWBAR_STATE/$2.runs
case $1 in
need) command -v "$2" >/dev/null 2>&1 || [ -n "${HAS_ALL-yes}" ] || { echo "apt install $3" >&2; exit 1; } ;;
manager) echo self ;;
folder) mkdir -p "$CROWBAR_STATE/$2" && echo "$CROWBAR_STATE/$2" ;;
file)
    file=$CROWBAR_STATE/$2/$3
    mkdir -p "${file%/*}" && cat >"$file.part" && mv "$file.part" "$file"
    ;;
up) shift 2 && echo "$*" >"$mark" ;;
check) [ -e "$mark" ] || { echo "$2 does not run" >&2; exit 1; } ;;
down) rm -rf "$mark" "$CROWBAR_STATE/$2" ;;
esac
"""
